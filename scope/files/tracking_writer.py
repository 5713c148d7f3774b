"""A recording of tracks: one file after the other, by the clock."""

import dataclasses
import itertools
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.scope.files.batch_lost import BatchLost
from opticstream.scope.files.recording_info import RecordingInfo
from opticstream.scope.files.tracking_file import TrackingFile
from opticstream.scope.frame_ledger import FrameLedger
from opticstream.scope.track_batch import TrackBatch

_MINUTE_NS = 60_000_000_000


class TrackingFileWriter:
    """Stores the batches of a recording, in a new file after each interval and after a file that failed.

    Intervals are counted from the recording's start; a batch goes as a whole into the file of its first frame's
    interval. Files are created when there is something to store. It has no clock of its own: times come with batches.

    Args:
        folder: where files go; created.
        info: what each file says of itself.
        start_ns: when the recording was switched on, ns since 1970 UTC; frames from before are not stored.
        rotation_minutes: a new file after so long; None: never.
        durable_every_s: seconds between two times that the disk is made to hold a file (fsync).

    Raises:
        BadInput: the interval is not positive.
    """

    def __init__(
        self,
        folder: Path,
        info: RecordingInfo,
        *,
        start_ns: int,
        rotation_minutes: float | None = 60.0,
        durable_every_s: float = 5.0,
    ) -> None:
        if rotation_minutes is not None and not rotation_minutes * _MINUTE_NS >= 1:
            raise BadInput("rotation interval", found=f"{rotation_minutes} minutes", expected="more than 0")
        self._folder, self._info, self._durable_every_s = folder, info, durable_every_s
        self._interval_ns = 0 if rotation_minutes is None else round(rotation_minutes * _MINUTE_NS)
        self._bucket = 0
        self._file: TrackingFile | None = None
        self._notes: list[tuple[int, str]] = []
        self._last_sequence = -1
        self._begin(start_ns)

    def _begin(self, start_ns: int) -> None:
        self._start_ns, self._bucket, self.recording_id = start_ns, 0, uuid.uuid4().hex

    @property
    def path(self) -> Path | None:
        """The file that is being written, if there is one."""
        return None if self._file is None else self._file.path

    def append(self, batch: TrackBatch) -> Path | None:
        """Store a batch.

        Returns:
            The file it went into; None if all of its frames are from before the start.

        Raises:
            BadInput: it is not later than the one before, or cannot be stored in such a file.
            BatchLost: the disk refused; nothing of the batch is in any file, and the next goes into a new one.
        """
        if batch.sequence <= self._last_sequence:
            expected = f"more than {self._last_sequence}: batches come in order"
            raise BadInput("track batch: sequence", found=f"{batch.sequence}", expected=expected)
        kept = batch.timestamps_ns >= self._start_ns
        if not kept.all():
            batch = _frames_of(batch, kept)
        if not len(batch.frame_numbers):
            self._last_sequence = batch.sequence
            return None
        # A clock that is set back does not lead back into an earlier file.
        bucket = self._bucket
        if self._interval_ns:
            bucket = max(bucket, (int(batch.timestamps_ns[0]) - self._start_ns) // self._interval_ns)
        if bucket != self._bucket:
            self._drop_file("the interval is over")
            self._bucket = bucket
        try:
            file = self._open()
        except WriteFailed as error:
            path = Path(error.where)
            records, frames = batch.flags.size, len(batch.frame_numbers)
            raise BatchLost(
                path, sequence=batch.sequence, frames=frames, records=records, reason=error.found
            ) from error
        finally:
            self._last_sequence = batch.sequence
        try:
            file.append(batch)
        except BatchLost:
            self._file = None
            raise
        return file.path

    def start_new(self, start_ns: int, reason: str = "a new file was asked for") -> None:
        """End this recording and begin another from ``start_ns`` on, into a new file."""
        self._drop_file(reason)
        self._begin(start_ns)

    def change_info(self, info: RecordingInfo, reason: str = "settings changed") -> None:
        """Go on in a new file that says other things of itself; nothing happens if they are the same."""
        if info != self._info:
            self._drop_file(reason)
            self._info = info

    def add_note(self, time_ns: int, text: str) -> None:
        """Add an operator's note to the file, or to the next if there is none yet.

        Raises:
            BadInput: the text cannot be stored.
            WriteFailed: it could not be written.
        """
        if self._file is None:
            self._notes.append((time_ns, text))
        else:
            self._file.add_note(time_ns, text)

    def add_telemetry(self, name: str, rows: ArrayLike, missed: int = 0) -> bool:
        """Add rows of a hardware manager, (n, columns), after ``missed`` others; say whether a file took them.

        Raises:
            BadInput: no such table was declared, or the rows have other columns.
            WriteFailed: they could not be written.
        """
        if self._file is None:
            return False
        self._file.add_telemetry(name, rows, missed)
        return True

    def set_ledger(self, ledger: FrameLedger) -> bool:
        """Store what became of the frames; say whether there was a file to take it. Raises WriteFailed."""
        if self._file is None:
            return False
        self._file.set_ledger(ledger)
        return True

    def close(self, reason: str) -> None:
        """Close the file, saying why; the next batch would open a new one."""
        self._drop_file(reason)

    def _drop_file(self, reason: str) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close(reason)

    def _open(self) -> TrackingFile:
        if self._file is not None and self._file.usable:
            return self._file
        self._drop_file("the disk refused what was added")
        file_start = self._start_ns + self._bucket * self._interval_ns
        for path in _names(self._folder, tracking_file_stem(file_start)):
            try:
                file = TrackingFile(
                    path,
                    self._info,
                    recording_id=self.recording_id,
                    recording_start_ns=self._start_ns,
                    file_start_ns=file_start,
                    rotation_interval_ns=self._interval_ns,
                    durable_every_s=self._durable_every_s,
                )
                break
            except FileExistsError:
                continue
        self._file = file
        while self._notes:
            file.add_note(*self._notes[0])
            self._notes.pop(0)
        return file


def tracking_file_stem(start_ns: int) -> str:
    """Return ``Tracking Data YYYY-mm-dd HH-MM-SS.ffffff`` in local time, of ns since 1970 UTC."""
    seconds, rest = divmod(start_ns, 1_000_000_000)
    # In whole numbers: a float of today's seconds has no room for microseconds.
    moment = datetime.fromtimestamp(seconds, UTC).astimezone().replace(microsecond=rest // 1000)
    return f"Tracking Data {moment:%Y-%m-%d %H-%M-%S.%f}"


def _names(folder: Path, stem: str) -> "itertools.chain[Path]":
    return itertools.chain([folder / f"{stem}.h5"], (folder / f"{stem} ({n}).h5" for n in itertools.count(1)))


def _frames_of(batch: TrackBatch, kept: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> TrackBatch:
    return dataclasses.replace(
        batch,
        frame_numbers=batch.frame_numbers[kept],
        timestamps_ns=batch.timestamps_ns[kept],
        positions_nm=batch.positions_nm[kept],
        flags=batch.flags[kept],
    )
