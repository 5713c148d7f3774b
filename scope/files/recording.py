"""A tracking file in memory."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.core.process_identity import ProcessIdentity, default_host_name, is_alive
from opticstream.scope.files import tracking_layout as layout
from opticstream.scope.files.growing_tables import HDF5_ERRORS, first_line
from opticstream.scope.files.superblock import AsClosed
from opticstream.scope.frame_ledger import FrameOutcome, FrameRange

Array = NDArray[Any]


_ATTEMPTS, _PAUSE_S = 5, 0.05
_VERSION_WITH_FLAGS, _FLAGS_AT = 3, 11
"""Version of the superblock, and its byte that says whether a writer has the file open; HDF5 file format, II.A."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What a tracking file holds: F frames, R records (positions of one bead in one frame), B batches, all whole."""

    path: Path
    attributes: Mapping[str, Any]
    """Of the file, settings as mappings."""
    frame_timestamps_ns: NDArray[np.uint64]
    """ns since 1970 UTC, (F,)."""
    frame_offsets: NDArray[np.uint64]
    """First record of each frame, and R at the end, (F + 1,)."""
    frame_batch_sequence: NDArray[np.uint64]
    """(F,)."""
    frame_numbers: NDArray[np.uint64] | None
    """The camera's, (F,); None in files of the predecessor."""
    bead_ids: NDArray[np.uint16]
    """(R,)."""
    positions_nm: NDArray[np.float64]
    """x, y in the frame, z on the Z-LUT's scale, nm, (R, 3)."""
    flags: NDArray[np.uint16] | None
    """:class:`~opticstream.scope.tracking.TrackFlag`, (R,); None in files of the predecessor."""
    roi_positions_px: NDArray[np.uint16] | None
    """Left and upper edge of the ROI, px, (R, 2); None if they were not asked for."""
    batches: Mapping[str, Array]
    """``sequence``, ``frame_start``, ``frame_count``, ``record_start``, ``record_count``, (B,)."""
    rois: Mapping[str, Array]
    """``time_ns``, ``bead_id`` and ``roi_px`` (x0, x1, y0, y1; zeros: the bead is gone) of each change."""
    notes: tuple[tuple[int, str], ...]
    """Time, ns since 1970 UTC, and text."""
    ledger: tuple[FrameRange, ...]
    hardware: Mapping[str, Array]
    """Rows of each hardware manager, (n, columns)."""
    hardware_columns: Mapping[str, tuple[str, ...]]
    zlut: Array | None
    """z in nm in the first row, the profiles below, as in a Z-LUT's text file; None if there was none."""

    @property
    def closed(self) -> bool:
        """Whether the file was closed properly; of the predecessor's files it is not known, they count as closed."""
        return bool(self.attributes.get("closed_ns", 1))

    def bead(self, bead_id: int) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """Return times, ns since 1970 UTC, (n,), and positions, nm, (n, 3), of one bead."""
        mine = np.flatnonzero(self.bead_ids == bead_id)
        frames = np.searchsorted(self.frame_offsets, mine, side="right") - 1
        return self.frame_timestamps_ns[frames], self.positions_nm[mine]


@dataclass(frozen=True, slots=True)
class WholeBatches:
    """How much of a file belongs to batches that are whole."""

    batches: int
    frames: int
    records: int


_REQUIRED = (
    *(column for column in layout.FRAMES if column.name not in layout.OURS),
    layout.OFFSETS,
    *(column for column in layout.RECORDS if column.name not in layout.OURS),
    *(column for column in layout.BATCHES if column.name not in layout.OURS),
)


def left_open(path: Path) -> bool:
    """Say whether an HDF5 file's mark of a writer is set: it is being written, or was left by a kill.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        head = handle.read(_FLAGS_AT + 1)
    return len(head) > _FLAGS_AT and head[8] >= _VERSION_WITH_FLAGS and head[_FLAGS_AT] != 0


def writer_alive(file: Any) -> bool:
    """Say whether the process that opened a file for writing still runs on this computer."""
    about = file.attrs
    if "writer_birth" not in about or "repaired" in about:
        return False
    writer = ProcessIdentity(about["writer_host"], int(about["writer_pid"]), about["writer_birth"])
    return bool(is_alive(writer, default_host_name()))


def open_tracking_file(path: Path) -> Any:
    """Open a tracking file, closed, live or left by a kill, with h5py for reading.

    Raises:
        BadFile: it is missing, or no tracking file.
    """
    import h5py

    expected = "a tracking file (HDF5 with the group /tracking)"
    try:
        try:
            file = h5py.File(path, "r")
        except FileNotFoundError:
            raise
        except OSError:
            # Being written, or left so, or shorter than it says.
            file = h5py.File(AsClosed(path), "r", driver="fileobj")
            if left_open(path) and writer_alive(file):
                file.close()
                file = h5py.File(path, "r", swmr=True)
    except HDF5_ERRORS as error:
        raise BadFile(str(path), found=first_line(error), expected=expected) from None
    try:
        group = file.get(layout.GROUP)
        missing = [column.name for column in _REQUIRED if group is None or column.name not in group]
        if missing:
            raise BadFile(str(path), found=f"no {', '.join(missing[:3])}", expected=expected)
        for column in _REQUIRED:
            shape = group[column.name].shape
            if len(shape) != (1 if column.width is None else 2) or (
                column.width is not None and shape[1] != column.width
            ):
                raise BadFile(str(path), found=f"{column.name} of shape {shape}", expected=expected)
    except BaseException:
        file.close()
        raise
    return file


def whole_batches(file: Any) -> WholeBatches:
    """Return how many batches of an open file are there with all their frames and records, from the first on."""
    group = file[layout.GROUP]
    names = [column.name for column in layout.BATCHES if column.name in group]
    number = min(len(group[name]) for name in names)
    ends = [
        group[f"batch_{kind}_start"][:number].astype(np.int64) + group[f"batch_{kind}_count"][:number].astype(np.int64)
        for kind in ("frame", "record")
    ]
    frames = min(len(group[column.name]) for column in layout.FRAMES if column.name in group)
    frames = min(frames, len(group["frame_offsets"]) - 1)
    tables = [*layout.RECORDS, layout.ROI_POSITIONS]
    records = min(len(group[column.name]) for column in tables if column.name in group)
    broken = (ends[0] > frames) | (ends[1] > records)
    whole = int(np.argmax(broken)) if broken.any() else number
    return WholeBatches(whole, *(int(end[whole - 1]) if whole else 0 for end in ends))


def read_tracking_file(path: Path) -> Recording:
    """Read a tracking file: closed, being written, left by a kill, mended, or of the predecessor.

    Raises:
        BadFile: it is missing, damaged or no tracking file.
    """
    path = Path(path)
    for _ in range(_ATTEMPTS):
        try:
            with open_tracking_file(path) as file:
                return _read(path, file)
        except (BadFile, *HDF5_ERRORS) as error:
            failure = error
            if not (path.is_file() and left_open(path)):
                break
            time.sleep(_PAUSE_S)  # a writer, perhaps on another computer, may be in the middle of a flush
    if isinstance(failure, BadFile):
        raise failure
    raise BadFile(
        str(path), found=first_line(failure), expected="a whole tracking file",
        action="If it is not being written, `opticstream scope repair` may mend it.",
    ) from failure  # fmt: skip


def _read(path: Path, file: Any) -> Recording:
    group, whole = file[layout.GROUP], whole_batches(file)
    lengths = {column.name: whole.frames for column in layout.FRAMES}
    lengths |= {"frame_offsets": whole.frames + 1}
    lengths |= {column.name: whole.records for column in (*layout.RECORDS, layout.ROI_POSITIONS)}
    columns: dict[str, Any] = {
        name: group[name][:length] if name in group else None for name, length in lengths.items()
    }
    names = [column.name for column in layout.BATCHES if column.name in group and column.name not in layout.OURS]
    sides = {name: _side_table(file, name) for name in layout.SIDE_TABLES}
    hardware = file.get(layout.HARDWARE, {})
    lut = file.get("zlut")
    return Recording(
        path=path,
        attributes=_attributes(file, group),
        batches={name.removeprefix("batch_"): group[name][: whole.batches] for name in names},
        rois=sides["rois"],
        notes=_notes(sides["notes"]),
        ledger=_ledger(sides["ledger"]),
        hardware={name: table[:] for name, table in hardware.items()},
        hardware_columns={name: tuple(table.attrs["columns"]) for name, table in hardware.items()},
        zlut=None if lut is None else np.vstack([lut["z_nm"][:], lut["profiles"][:]]),
        **columns,
    )


def _attributes(file: Any, group: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in [*group.attrs.items(), *file.attrs.items()]:
        plain = value.item() if isinstance(value, np.generic) else value
        found[name] = plain.decode("utf-8", "replace") if isinstance(plain, bytes) else plain
    for name in ("camera_settings", "settings", "tracking_options"):
        if name in found:
            found[name] = json.loads(found[name])
    return found


def _side_table(file: Any, name: str) -> dict[str, Array]:
    """Return the rows that all columns of a table have; a file of the predecessor has none."""
    group = file.get(name)
    columns = layout.SIDE_TABLES[name]
    if group is None:
        return {c.name: np.empty((0,) if c.width is None else (0, c.width), c.dtype) for c in columns}
    length = min(len(group[column.name]) for column in columns)
    return {column.name: group[column.name][:length] for column in columns}


def _notes(table: Mapping[str, Array]) -> tuple[tuple[int, str], ...]:
    notes: list[tuple[int, str]] = []
    for time_ns, part, text in zip(table["time_ns"], table["part"], table["text"], strict=True):
        if part and notes:
            notes[-1] = (notes[-1][0], notes[-1][1] + text.decode())
        else:
            notes.append((int(time_ns), text.decode()))
    return tuple(notes)


def _ledger(table: Mapping[str, Array]) -> tuple[FrameRange, ...]:
    rows = zip(table["first"], table["last"], table["outcome"], table["reason"], strict=True)
    return tuple(FrameRange(int(a), int(b), FrameOutcome(int(what)), why.decode()) for a, b, what, why in rows)
