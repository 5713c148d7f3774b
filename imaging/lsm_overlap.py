"""How wide the overlap of two neighbouring strips is: the simulator and the stitcher must agree."""


def overlap_columns(columns: int, overlap_percent: float) -> int:
    """Return the camera columns that two neighbouring strips share: a percentage of a strip's, halves rounded up."""
    return int(columns * overlap_percent / 100 + 0.5)
