"""One tracking file that is being written, readable by others meanwhile."""

import errno
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.core.files import write_failed
from opticstream.core.process_identity import default_host_name, this_process
from opticstream.scope.files import tracking_layout as layout
from opticstream.scope.files.batch_lost import BatchLost
from opticstream.scope.files.batch_rows import RoiHistory, batch_rows
from opticstream.scope.files.growing_tables import HDF5_ERRORS, GrowingTables, first_line
from opticstream.scope.files.recording_info import RecordingInfo
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange
from opticstream.scope.track_batch import TrackBatch

_LEAST_ROOM = 4 << 20
"""Bytes that must be free for a file to be begun: its first chunks need 3 MB."""
_COUNTS = {outcome: f"{outcome.name.lower()}_frames" for outcome in FrameOutcome}


class TrackingFile:
    """An HDF5 file of tracks; its layout is in the documentation, *The tracking file*.

    Everything that grows is declared at the start; then HDF5 is switched to single writer, multiple readers (SWMR),
    and any process may read the file while it grows. Each call that adds something adds all of it or nothing, and
    flushes to the operating system, so that a kill of this process costs nothing that a call has returned for.

    Args:
        path: a new file.
        info: what does not change.
        recording_id: same for all files of a recording.
        recording_start_ns: ns since 1970 UTC.
        file_start_ns: likewise.
        rotation_interval_ns: 0: one file for all.
        durable_every_s: seconds between two times that the disk is made to hold it (fsync), against power cuts.

    Raises:
        FileExistsError: there is such a file.
        WriteFailed: it cannot be created.
    """

    def __init__(
        self,
        path: Path,
        info: RecordingInfo,
        *,
        recording_id: str,
        recording_start_ns: int,
        file_start_ns: int,
        rotation_interval_ns: int = 0,
        durable_every_s: float = 5.0,
    ) -> None:
        import h5py

        self.path, self._info, self._durable_every_s = path, info, durable_every_s
        self._rois = RoiHistory()
        self._ledger: list[FrameRange] = []
        self._missed: dict[str, int] = {}
        self._oldest, self._newest = 0, 0
        self._synced = time.monotonic()
        self._last_sequence = -1
        self.closed = False
        attributes = {
            "schema_version": np.uint64(layout.SCHEMA_VERSION),
            "include_roi_positions": info.include_roi_positions,
            "record_order": "writer_append_order",
            "batch_sequence_order": "video_task_enqueue_order",
            "recording_id": recording_id,
            "recording_start_ns": np.uint64(recording_start_ns),
            "file_start_ns": np.uint64(file_start_ns),
            "rotation_interval_ns": np.uint64(rotation_interval_ns),
            "min_frame_timestamp_ns": np.uint64(0),
            "max_frame_timestamp_ns": np.uint64(0),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free < _LEAST_ROOM:
                # Said before, because HDF5 cannot let go of a file that a full disk keeps it from closing.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:  # also a FileExistsError, which would mean another thing to the caller
            raise write_failed(path, error) from error
        try:
            # Readers of HDF5 1.10 (of 2016) and later understand the file.
            self._file = h5py.File(path, "x", libver=("v110", "v110"))
        except FileExistsError:
            raise
        except HDF5_ERRORS as error:
            with suppress(OSError):
                path.unlink()
            raise _failed(path, error) from error
        try:
            self._tables = self._set_up(attributes)
            self._handle = path.open("rb+")
        except BaseException as error:
            with suppress(*HDF5_ERRORS):
                self._file.close()
            path.unlink(missing_ok=True)  # nobody has been told of it
            if isinstance(error, HDF5_ERRORS):
                raise _failed(path, error) from error
            raise

    def _set_up(self, attributes: Mapping[str, Any]) -> GrowingTables:
        file = self._file
        self._homes = (file, file.create_group(layout.GROUP))
        writer = this_process(default_host_name())
        about = self._info.attributes() | {
            "writer_host": writer.host, "writer_pid": np.uint64(writer.pid), "writer_birth": writer.birth,
            "recording_start_utc": _iso(int(attributes["recording_start_ns"]), local=False),
            "recording_start_local": _iso(int(attributes["recording_start_ns"]), local=True),
        }  # fmt: skip
        file.attrs.update(about)
        for home in self._homes:
            home.attrs.update(attributes)
        file.attrs["closed_ns"] = np.uint64(0)
        file.attrs.create("close_reason", b"", dtype=f"S{layout.REASON_BYTES}")
        tracking = self._homes[1]
        columns = [*layout.FRAMES, layout.OFFSETS, *layout.RECORDS, *layout.BATCHES]
        if self._info.include_roi_positions:
            columns.append(layout.ROI_POSITIONS)
        tables = {column.name: column.create(tracking) for column in columns}
        tables["frame_offsets"].resize(1, axis=0)
        tables["frame_offsets"][0] = 0
        for name, side in layout.SIDE_TABLES.items():
            group = file.create_group(name)
            tables |= {f"{name}/{column.name}": column.create(group) for column in side}
        for name in _COUNTS.values():
            file["ledger"].attrs[name] = np.uint64(0)
        hardware = file.create_group(layout.HARDWARE)
        for name, titles in self._info.hardware.items():
            column = layout.Column(name, "f8", layout.HARDWARE_CHUNK, len(titles))
            tables[f"hardware/{name}"] = column.create(hardware)
            hardware[name].attrs["columns"] = list(titles)
            hardware[name].attrs["rows_missed"] = np.uint64(0)
        if (lut := self._info.zlut) is not None:
            group = file.create_group("zlut")
            group["z_nm"], group["profiles"] = lut.z_nm, lut.profiles
            group.attrs.update({"sha256": lut.content_hash, "path": self._info.zlut_path})
            group.attrs.update({"binning": lut.binning, "bins_per_px": lut.oversample})
        file.swmr_mode = True
        return GrowingTables(file, tables)

    def append(self, batch: TrackBatch) -> None:
        """Add a batch.

        Raises:
            BadInput: it is not later than the one before, or does not fit the file; the file is as before.
            BatchLost: it could not be written; the file is as before and closed.
        """
        self._still_open()
        if batch.sequence <= self._last_sequence:
            expected = f"more than {self._last_sequence}: batches come in order"
            raise BadInput("track batch: sequence", found=f"{batch.sequence}", expected=expected)
        at = self._tables["frame_timestamps_ns"], self._tables["bead_ids"]
        rows = batch_rows(batch, *at, rois=self._info.include_roi_positions)
        known, moved = self._rois.changes(batch)
        times = rows["frame_timestamps_ns"]
        oldest = min(int(times.min()), self._oldest) if at[0] else int(times.min())
        newest = max(int(times.max()), self._newest)
        try:
            with self._tables.change():
                self._tables.grow(moved)
                self._tables.grow(rows)
                for home in self._homes:
                    home.attrs.modify("min_frame_timestamp_ns", np.uint64(oldest))
                    home.attrs.modify("max_frame_timestamp_ns", np.uint64(newest))
                self._file.flush()
                self._make_durable()
        except OSError as error:
            self.close("a batch could not be written")
            frames, records, reason = len(times), len(rows["bead_ids"]), first_line(error)
            lost = BatchLost(self.path, sequence=batch.sequence, frames=frames, records=records, reason=reason)
            raise lost from error
        self._rois.accept(known)
        self._oldest, self._newest, self._last_sequence = oldest, newest, batch.sequence

    def add_note(self, time_ns: int, text: str) -> None:
        """Add an operator's note, of any length.

        Raises:
            BadInput: the text cannot be stored.
            WriteFailed: it could not be written; the file is as before.
        """
        parts = layout.cut_text(text, layout.TEXT_BYTES)
        self._add({
            "notes/time_ns": np.full(len(parts), time_ns, "<u8"),
            "notes/part": np.arange(len(parts), dtype="<u2"),
            "notes/text": np.array([part.encode() for part in parts], f"S{layout.TEXT_BYTES}"),
        })  # fmt: skip

    def add_telemetry(self, name: str, rows: ArrayLike, missed: int = 0) -> None:
        """Add rows of a hardware manager, (n, columns) float64, and to the count of those that are ``missed``.

        Raises:
            BadInput: no such table was declared, or the rows have other columns.
            WriteFailed: they could not be written; the file is as before.
        """
        columns = self._info.hardware.get(name)
        if columns is None:
            known = ", ".join(self._info.hardware) or "none"
            raise BadInput("hardware table", found=repr(name), expected=f"one declared at the start: {known}")
        new = np.asarray(rows, "<f8")
        if new.ndim != 2 or new.shape[1] != len(columns):
            raise BadInput(f"hardware table {name!r}", found=f"shape {new.shape}", expected=f"(n, {len(columns)})")
        self._add({f"hardware/{name}": new})
        if missed:
            self._missed[name] = self._missed.get(name, 0) + missed
            with suppress(*HDF5_ERRORS):  # a disk that refuses this has said so, or will
                self._file["hardware"][name].attrs.modify("rows_missed", np.uint64(self._missed[name]))

    def set_ledger(self, ledger: FrameLedger) -> None:
        """Store what became of the frames; only ranges that are new or changed since the last time are written.

        Raises:
            WriteFailed: it could not be written.
        """
        self._still_open()
        ranges, same = ledger.ranges(), 0
        for one, other in zip(ranges, self._ledger, strict=False):
            if one != other:
                break
            same += 1
        new = ranges[same:]
        reasons = [layout.cut_text(found.reason, layout.REASON_BYTES)[0].encode() for found in new]
        rows: dict[str, NDArray[Any]] = {
            "first": np.array([found.first for found in new], "<u8"),
            "last": np.array([found.last for found in new], "<u8"),
            "outcome": np.array([found.outcome for found in new], "u1"),
            "reason": np.array(reasons, f"S{layout.REASON_BYTES}"),
        }
        self._ledger = self._ledger[:same]
        try:
            with self._tables.change():
                for name, values in rows.items():
                    self._tables.put(f"ledger/{name}", same, values)
                    self._tables.cut(f"ledger/{name}", len(ranges))
                for outcome, count in ledger.counts().items():
                    self._file["ledger"].attrs.modify(_COUNTS[outcome], np.uint64(count))
        except OSError as error:
            raise _failed(self.path, error) from error
        self._ledger = ranges

    def close(self, reason: str) -> None:
        """Say why and close the file; closing it again does nothing. It never raises: what is in the file stays."""
        if self.closed:
            return
        self.closed = True
        text = layout.cut_text(reason.replace("\0", ""), layout.REASON_BYTES - 1)[0].encode()
        # On a full disk even this may fail; readers and the repair then find a file that was not closed.
        with suppress(*HDF5_ERRORS):
            self._file.attrs.modify("close_reason", np.bytes_(text))
            self._file.attrs.modify("closed_ns", np.uint64(time.time_ns()))
            self._file.flush()
        with suppress(*HDF5_ERRORS):
            self._file.close()
        with suppress(OSError), self._handle:
            os.fsync(self._handle.fileno())

    def _add(self, rows: Mapping[str, NDArray[Any]]) -> None:
        self._still_open()
        try:
            with self._tables.change():
                self._tables.grow(rows)
        except OSError as error:
            raise _failed(self.path, error) from error

    @property
    def usable(self) -> bool:
        """Whether more can be added: neither closed nor damaged by a disk that refused."""
        return not self.closed and not self._tables.broken

    def _still_open(self) -> None:
        if not self.usable:
            state = "closed" if self.closed else "damaged by a disk that refused"
            raise WriteFailed(str(self.path), found=f"the file is {state}", action="Start a new file.")

    def _make_durable(self) -> None:
        now = time.monotonic()
        if now - self._synced >= self._durable_every_s:
            os.fsync(self._handle.fileno())
            self._synced = now


def _iso(time_ns: int, *, local: bool) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).replace(microsecond=time_ns // 1000 % 1_000_000)
    return (moment.astimezone() if local else moment).isoformat()


def _failed(path: Path, error: BaseException) -> WriteFailed:
    return write_failed(path, OSError(first_line(error)))
