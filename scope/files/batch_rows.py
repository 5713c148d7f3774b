"""The rows of the tables of a tracking file that one batch makes."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.track_batch import TrackBatch

_U16 = np.iinfo(np.uint16).max

CHECKED = ("frame_timestamps_ns", "frame_numbers", "bead_ids", "positions_nm", "flags")
"""What ``batch_crc32`` covers, in this order."""


def batch_rows(batch: TrackBatch, frame_start: int, record_start: int, *, rois: bool) -> dict[str, NDArray[Any]]:
    """Return the new rows by dataset, those of the ``batch_`` tables last.

    Args:
        batch: at least one frame.
        frame_start: frames that are in the file already.
        record_start: records likewise.
        rois: with the ROI's corner for each record.

    Raises:
        BadInput: shapes do not fit each other, or a number is too large for the file.
    """
    frames, beads = len(batch.frame_numbers), len(batch.bead_ids)
    where = f"track batch {batch.sequence}"
    shapes = {
        "timestamps_ns": (batch.timestamps_ns.shape, (frames,)),
        "rois": (batch.rois.shape, (beads, 4)),
        "positions_nm": (batch.positions_nm.shape, (frames, beads, 3)),
        "flags": (batch.flags.shape, (frames, beads)),
    }
    for name, (shape, due) in shapes.items():
        if shape != due:
            raise BadInput(f"{where}: {name}", found=f"shape {shape}", expected=f"{due}")
    if not frames:
        raise BadInput(where, found="no frames", expected="at least one")
    if beads and int(batch.bead_ids.max()) > _U16:
        action = "Number the beads anew (reorder them)."
        expected = f"at most {_U16}, for which the file has room"
        raise BadInput(f"{where}: bead id", found=f"{int(batch.bead_ids.max())}", expected=expected, action=action)
    if int(batch.timestamps_ns.min()) < 0:
        raise BadInput(f"{where}: timestamps_ns", found=f"{int(batch.timestamps_ns.min())}", expected="0 or more")
    records = frames * beads
    rows: dict[str, NDArray[Any]] = {
        "frame_timestamps_ns": batch.timestamps_ns.astype("<u8"),
        "frame_batch_sequence": np.full(frames, batch.sequence, "<u8"),
        "frame_numbers": batch.frame_numbers.astype("<u8"),
        "frame_offsets": record_start + beads * np.arange(1, frames + 1, dtype="<u8"),
        "bead_ids": np.tile(batch.bead_ids.astype("<u2"), frames),
        "positions_nm": np.ascontiguousarray(batch.positions_nm, "<f8").reshape(records, 3),
        "flags": np.ascontiguousarray(batch.flags, "<u2").reshape(records),
    }
    if rois:
        corners = batch.rois[:, [0, 2]]
        if beads and int(corners.max()) > _U16:
            raise BadInput(f"{where}: rois", found=f"{int(corners.max())} px", expected=f"at most {_U16}")
        rows["roi_positions_px"] = np.tile(corners.astype("<u2"), (frames, 1))
    about = {
        "sequence": batch.sequence, "frame_start": frame_start, "frame_count": frames,
        "record_start": record_start, "record_count": records,
    }  # fmt: skip
    rows |= {f"batch_{name}": np.array([value], "<u8") for name, value in about.items()}
    rows["batch_crc32"] = np.array([checksum([rows[name] for name in CHECKED])], "<u4")
    return rows


def checksum(arrays: Sequence[NDArray[Any]]) -> int:
    """Return the CRC-32 of arrays one after the other, as they stand in the file."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, crc)
    return crc


class RoiHistory:
    """Says which ROIs differ from those before."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, ...]] = {}

    def changes(self, batch: TrackBatch) -> tuple[dict[int, tuple[int, ...]], dict[str, NDArray[Any]]]:
        """Return the ROIs of a batch and the rows for the history; a bead that is gone has 0, 0, 0, 0.

        They count as known only after :meth:`accept`, so that a failed append changes nothing.
        """
        ids, rois = batch.bead_ids.tolist(), batch.rois.tolist()
        now = {bead: tuple(roi) for bead, roi in zip(ids, rois, strict=True)}
        new = {bead: roi for bead, roi in now.items() if self._known.get(bead) != roi}
        new |= {bead: (0, 0, 0, 0) for bead in self._known if bead not in now}
        rows: dict[str, NDArray[Any]] = {
            "rois/time_ns": np.full(len(new), int(batch.timestamps_ns[0]), "<u8"),
            "rois/bead_id": np.fromiter(new, "<u4", len(new)),
            "rois/roi_px": np.array(list(new.values()), "<u4").reshape(-1, 4),
        }
        return now, rows

    def accept(self, known: dict[int, tuple[int, ...]]) -> None:
        """Take the ROIs that :meth:`changes` returned for known."""
        self._known = known
