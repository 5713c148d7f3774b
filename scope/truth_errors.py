"""How far tracks are from the truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.scope.cameras.truth_file import read_truth
from opticstream.scope.files import read_tracking_file

_NEAR_PX = 5.0


@dataclass(frozen=True)
class TruthErrors:
    """Tracks less the truth, of every record whose frame and bead are known."""

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    z_nm: NDArray[np.float64]
    """NaN without a Z-LUT."""
    unknown: int
    """Records near which no simulated bead was."""

    def summary(self) -> dict[str, float | int]:
        """Return the medians of the absolute errors, and how many records there were."""
        return {
            "records": len(self.x_px),
            "unknown": self.unknown,
            "median_abs_x_px": _median(self.x_px),
            "median_abs_y_px": _median(self.y_px),
            "median_abs_z_nm": _median(self.z_nm),
        }


def truth_errors(tracks: Path, truth: Path, nm_per_px: float) -> TruthErrors:
    """Compare a tracking file with the ground truth that the simulated camera wrote.

    A record belongs to the bead that was nearest in its frame, within 5 px.

    Args:
        tracks: the tracking file.
        truth: the ``.npy`` file beside it.
        nm_per_px: edge of a pixel in the sample, nm.

    Raises:
        BadFile: one of them cannot be read.
    """
    recording, rows = read_tracking_file(tracks), read_truth(truth)
    if recording.frame_numbers is None:
        raise BadFile(str(tracks), found="no frame numbers", expected="a file that a scope of this package wrote")
    rows = rows[np.argsort(rows["frame"], kind="stable")]
    found: list[NDArray[np.float64]] = []
    unknown = 0
    ends = recording.frame_offsets
    for number, first, end in zip(recording.frame_numbers, ends[:-1], ends[1:], strict=True):
        places = recording.positions_nm[int(first) : int(end)]
        real = rows[slice(*np.searchsorted(rows["frame"], (number, number + 1)))]
        if not len(real) or not len(places):
            unknown += len(places)
            continue
        x, y = places[:, 0] / nm_per_px, places[:, 1] / nm_per_px
        distance = np.hypot(x[:, None] - real["x_px"], y[:, None] - real["y_px"])
        nearest = distance.argmin(axis=1)
        known = distance[np.arange(len(places)), nearest] < _NEAR_PX
        unknown += int((~known).sum())
        own = real[nearest[known]]
        found.append(np.stack([x[known] - own["x_px"], y[known] - own["y_px"], places[known, 2] - own["z_nm"]], axis=1))
    errors = np.concatenate(found) if found else np.empty((0, 3))
    return TruthErrors(errors[:, 0], errors[:, 1], errors[:, 2], unknown)


def _median(errors: NDArray[np.float64]) -> float:
    known = np.abs(errors[np.isfinite(errors)])
    return float(np.median(known)) if len(known) else float("nan")
