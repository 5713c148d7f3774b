"""Mend a tracking file that a kill, a full disk or a power cut left."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import rename, sync_folder, write_failed
from opticstream.scope.files import tracking_layout as layout
from opticstream.scope.files.batch_rows import CHECKED, checksum
from opticstream.scope.files.growing_tables import HDF5_ERRORS, first_line
from opticstream.scope.files.recording import WholeBatches, left_open, open_tracking_file, whole_batches, writer_alive

_SLAB_ROWS = 1 << 18
_SPARE_BYTES = 8 << 20


@dataclass(frozen=True)
class RepairReport:
    """What was found and done."""

    path: Path
    healthy: bool
    """Nothing was wrong; the file was not touched."""
    batches: int
    """Whole batches that the file has now."""
    frames: int
    records: int
    what: tuple[str, ...] = ()
    """What was mended, in words."""
    damaged: Path | None = None
    """The file as it was, if it was kept."""


def repair_tracking_file(path: Path, *, keep_damaged: bool = False) -> RepairReport:
    """Mend a tracking file: it gets whole batches only, opens for everybody, and says what was done.

    The file is copied; at every moment there is a file under its name, or the original as ``….h5.damaged``, which a
    repair that was cut off goes on from. It needs free room of the file's size. Batches after the first whose
    checksum is wrong are dropped.

    Args:
        path: a file that is not being written.
        keep_damaged: keep the original as ``….h5.damaged``; otherwise it goes once the mended one is on the disk.

    Raises:
        BadFile: it is missing, no tracking file, or too damaged to be read.
        BadInput: its writer still runs.
        WriteFailed: there is no room for the copy; the file is as before.
    """
    path = Path(path)
    damaged = path.with_name(f"{path.name}.damaged")
    if not path.exists() and damaged.exists():
        rename(damaged, path)
    file = open_tracking_file(path)
    try:
        with file:
            _not_being_written(path, file)
            whole = _trusted(file, whole_batches(file))
            what = _found_wrong(path, file, whole)
            if not what:
                return RepairReport(path, True, whole.batches, whole.frames, whole.records)
            mended = _copy(file, path, whole, what)
    except HDF5_ERRORS as error:
        raise BadFile(str(path), found=first_line(error), expected="a tracking file that can be read") from error
    _exchange(path, mended, damaged)
    if not keep_damaged:
        damaged.unlink()
    kept = damaged if keep_damaged else None
    return RepairReport(path, False, whole.batches, whole.frames, whole.records, tuple(what), kept)


def _not_being_written(path: Path, file: Any) -> None:
    if not file.attrs.get("closed_ns", 1) and writer_alive(file):
        found = f"process {file.attrs['writer_pid']}, which writes it, still runs"
        raise BadInput(str(path), found=found, expected="a file that nobody writes", action="Stop the scope first.")


def _trusted(file: Any, whole: WholeBatches) -> WholeBatches:
    """Return the batches before the first whose checksum is wrong."""
    group = file[layout.GROUP]
    if "batch_crc32" not in group:
        return whole
    spans = zip(
        *(group[f"batch_{name}"][: whole.batches].tolist() for name in ("frame_start", "frame_count")),
        *(group[f"batch_{name}"][: whole.batches].tolist() for name in ("record_start", "record_count")),
        group["batch_crc32"][: whole.batches].tolist(),
        strict=True,
    )
    for number, (frame, frames, record, records, crc) in enumerate(spans):
        arrays = [
            group[name][frame : frame + frames] if name.startswith("frame") else group[name][record : record + records]
            for name in CHECKED
        ]
        if checksum(arrays) != crc:
            return WholeBatches(number, frame, record)
    return whole


def _found_wrong(path: Path, file: Any, whole: WholeBatches) -> list[str]:
    what = []
    if left_open(path):
        what.append("the mark of an open file was cleared")
    elif not file.attrs.get("closed_ns", 1) and "repaired" not in file.attrs:
        what.append("the file had not been closed")
    lengths = _lengths(file, whole)
    extra = {name: len(table) - lengths[name] for name, table in _tables(file) if len(table) > lengths[name]}
    if extra:
        longest = max(extra.values())
        what.append(f"up to {longest} rows of {len(extra)} tables that belong to no whole batch were dropped")
    return what


def _tables(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield every growing dataset by its path."""
    for group_name in (layout.GROUP, *layout.SIDE_TABLES, layout.HARDWARE):
        for name, table in file.get(group_name, {}).items():
            yield f"{group_name}/{name}", table


def _lengths(file: Any, whole: WholeBatches) -> dict[str, int]:
    """Return how many rows of each dataset are kept."""
    kept = {}
    by_kind = {"frame_": whole.frames, "batch_": whole.batches}
    for path, table in _tables(file):
        group, _, name = path.partition("/")
        if group == layout.GROUP:
            kept[path] = by_kind.get(name[:6], whole.records) + (name == layout.OFFSETS.name)
        elif group in layout.SIDE_TABLES:
            kept[path] = min(len(column) for column in file[group].values())
        else:
            kept[path] = len(table)
    return kept


def _copy(file: Any, path: Path, whole: WholeBatches, what: list[str]) -> Path:
    """Write the mended file beside the other, durably; return its temporary name."""
    import h5py

    # Said before, because HDF5 cannot let go of a file that a full disk keeps it from closing.
    if shutil.disk_usage(path.parent).free < (need := path.stat().st_size + _SPARE_BYTES):
        raise write_failed(path, OSError(f"no room for a mended copy, {need / 1e9:.3f} GB"))
    mended = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    lengths = _lengths(file, whole)
    try:
        with h5py.File(mended, "x", libver=("v110", "v110")) as new:
            _copy_group(file, new, "", lengths)
            times = new[f"{layout.GROUP}/frame_timestamps_ns"]
            for home in (new, new[layout.GROUP]):
                for name, pick in (("min", np.min), ("max", np.max)):
                    if f"{name}_frame_timestamp_ns" in home.attrs:
                        value = pick(times[:]) if len(times) else 0
                        home.attrs[f"{name}_frame_timestamp_ns"] = np.uint64(value)
            new.attrs["repaired"] = "; ".join(what)
            new.attrs["repaired_ns"] = np.uint64(time.time_ns())
        with mended.open("rb+") as handle:
            os.fsync(handle.fileno())
    except HDF5_ERRORS as error:
        mended.unlink(missing_ok=True)
        raise write_failed(path, OSError(first_line(error))) from error
    except BaseException:
        mended.unlink(missing_ok=True)
        raise
    return mended


def _copy_group(old: Any, new: Any, path: str, lengths: dict[str, int]) -> None:
    for name, value in old.attrs.items():
        new.attrs.create(name, value, dtype=old.attrs.get_id(name).dtype)
    for name, child in old.items():
        below = f"{path}/{name}" if path else name
        if not hasattr(child, "shape"):
            _copy_group(child, new.create_group(name), below, lengths)
            continue
        length = lengths.get(below)
        if length is None:  # does not grow, such as the Z-LUT
            table = new.create_dataset(name, data=child[()])
        else:
            rest = child.shape[1:]
            table = new.create_dataset(
                name, (length, *rest), child.dtype, maxshape=(None, *rest), chunks=child.chunks or True
            )
            for start in range(0, length, _SLAB_ROWS):
                end = min(start + _SLAB_ROWS, length)
                table[start:end] = child[start:end]
        for key, value in child.attrs.items():
            table.attrs[key] = value


def _exchange(path: Path, mended: Path, damaged: Path) -> None:
    """Put the mended file in the place of the other, which becomes ``damaged``."""
    try:
        damaged.unlink(missing_ok=True)
        try:
            os.link(path, damaged)
        except OSError:  # a file system without hard links
            rename(path, damaged)
        rename(mended, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            if not path.exists():
                rename(damaged, path)
        mended.unlink(missing_ok=True)
        raise write_failed(path, error) from error
