"""Names by which a scope and the session around it find what each leaves for the other."""

from pathlib import Path

FLOW_RUN_ID = "OPTICSTREAM_FLOW_RUN_ID"
"""Environment variable with the id of the flow run that a session is; a scope writes it into its files."""
SUMMARY_NAME = "scope_session.json"
"""How a scope ended, and what became of its frames."""
TRACKS_PICTURE_NAME = "beads.png"
"""The drawing of the beads' positions over time."""
TRUTH_NAME = "ground_truth.npy"
"""Where simulated beads were."""
_TRACKING_FILES = "Tracking Data *.h5"


def tracking_files(folder: Path) -> list[Path]:
    """Return the tracking files of a folder in the order they were begun: ``X.h5`` before ``X (1).h5``."""

    def begun(path: Path) -> tuple[str, int]:
        name, _, number = path.stem.partition(" (")
        return name, int(digits) if (digits := number.removesuffix(")")).isdecimal() else 0

    return sorted(folder.glob(_TRACKING_FILES), key=begun)
