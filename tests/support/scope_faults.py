"""Devices that fail, and blows to a scope's processes."""

import os
import signal
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import psutil
from numpy.typing import NDArray

from opticstream.scope import HardwareManagerBase, MagScope
from opticstream.scope.cameras import DummyCameraBeads
from opticstream.scope.files import Recording, read_tracking_file, repair_tracking_file
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange
from opticstream.scope.processing.writer_main import writer_main
from opticstream.scope.processing.writer_messages import StoreStack
from support.waiting import until

VIDEO = "VideoProcessorManager"


class FailingCamera(DummyCameraBeads):
    """Raises at its 40th frame in its first life, and in any at each frame from ``always`` on."""

    always = 10**9

    def draw(self, number: int, out: NDArray[Any]) -> None:
        if (number == 40 and not self.first_number) or number >= self.always:
            raise OSError(f"the cable was pulled at frame {number}")
        super().draw(number, out)


class DarkAndBright(DummyCameraBeads):
    """Shows nothing at one bead and full light at another, from when a file is there, into which it writes its frame."""

    dark, bright = (slice(72, 142), slice(52, 122)), (slice(72, 142), slice(370, 440))
    mark: Path
    _seen = False

    def draw(self, number: int, out: NDArray[Any]) -> None:
        super().draw(number, out)
        if not self._seen and self.mark.exists():
            self._seen = True
            self.mark.write_text(str(number))
        if self._seen:
            out[self.dark], out[self.bright] = 0, 255


class _Device(HardwareManagerBase):
    def connect(self) -> None:
        self._is_connected = True

    def disconnect(self) -> None:
        self._is_connected = False


class CountingDevice(_Device):
    """Says a number that goes on where an earlier life of it ended."""

    def setup(self) -> None:
        rows = self._buffer.newest(1)
        self.number = int(rows[0, 1]) if len(rows) else 0
        self.connect()

    def fetch(self) -> None:
        self.number += 1
        self._buffer.write(np.array([[time.time(), float(self.number)]]))


class FailingDevice(_Device):
    """Raises at its third reading, in its first life."""

    def setup(self) -> None:
        self.readings = 0
        self.connect()

    def fetch(self) -> None:
        self.readings += 1
        if self.readings == 3 and not self.kept.get("failed"):
            self.keep(failed=True)
            raise ValueError("the device says 17.3 bananas")
        self._buffer.write(np.array([[float(self.readings), 1.0]]))


class _SlowPipe:
    """Gives the writer its second stack when its process is sent more without an answer: when it is given up."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self.send, self._stacks = pipe, pipe.send, 0

    def recv(self) -> object:
        message = self._pipe.recv()
        self._stacks += isinstance(message, StoreStack) and len(message.batch.bead_ids) > 0
        if self._stacks == 2:
            self.stall()
        return message

    def stall(self) -> None:
        self._pipe.poll(None)


def slow_writer(pipe: Connection, video_buffer: Any) -> NoReturn:
    """Write files with a disk that needs as long for the second stack as the scope waits for it."""
    writer_main(_SlowPipe(pipe), video_buffer)  # type: ignore[arg-type]


def writer_stuck_once(mark: str, pipe: Connection, video_buffer: Any) -> NoReturn:
    """Write files; in its first life with a disk that never takes the second stack, which the file ``mark`` tells."""
    if Path(mark).exists():
        writer_main(pipe, video_buffer)
    writer_main(_StuckPipe(pipe, Path(mark)), video_buffer)  # type: ignore[arg-type]


def busy_writer(pipe: Connection, video_buffer: Any) -> NoReturn:
    """Write files on a processor that is too slow for it by two seconds."""
    writer_main(_BusyPipe(pipe), video_buffer)  # type: ignore[arg-type]


class _BusyPipe(_SlowPipe):
    def stall(self) -> None:
        end = time.process_time() + 2
        while time.process_time() < end:
            pass


class _StuckPipe(_SlowPipe):
    def __init__(self, pipe: Connection, mark: Path) -> None:
        super().__init__(pipe)
        self._mark = mark

    def stall(self) -> None:
        self._mark.touch()
        time.sleep(600)


def helpers(scope: MagScope) -> tuple[list[int], list[int]]:
    """Return process ids of the tracking processes, and of the one that writes files."""
    kept = scope._kept.get(VIDEO, {})
    workers = kept.get("workers", {})
    return list(workers), [pid for pid in kept.get("helpers", {}) if pid not in workers]


def tracks_go_on(scope: MagScope, more: int = 20) -> None:
    """Wait until so many frames more have been tracked."""
    tracked = scope.shared_values.frames_tracked.value
    until(lambda: scope.shared_values.frames_tracked.value >= tracked + more, "tracks go on")


def recording_begun(scope: MagScope, before: str | None = None) -> str:
    """Wait until tracks are in a file, in another one than before, and return it."""
    until(lambda: scope.values.get("tracking file", before) != before, "tracks in a file")
    return str(scope.values["tracking file"])


def kill_manager(scope: MagScope, name: str) -> None:
    """Kill a manager's process, and wait until it has been started anew and is ready."""
    pid = scope.processes[name].pid
    scope._ready.discard(name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: name in scope._ready or scope.over.is_set(), f"{name} is back")
    assert scope.processes[name].pid != pid


def kill_helper(scope: MagScope, which: int) -> None:
    """Kill a tracking process (0) or the writer of files (1), and wait for the next."""
    pid = helpers(scope)[which][0]
    os.kill(pid, signal.SIGKILL)
    until(lambda: (now := helpers(scope)[which]) and pid not in now, "another one is there")


def problems(scope: MagScope) -> str:
    """Return all that went wrong, in words."""
    return "\n".join(f"{text}: {details}" for _, text, details in scope.problems)


def recordings(folder: Path) -> list[Recording]:
    """Return the tracking files of a folder by their last frames, after mending those that a kill left open."""
    files = sorted(folder.glob("*.h5"))
    for file in files:
        before = read_tracking_file(file)  # readable as it was left
        after = repair_tracking_file(file)
        assert after.frames == len(before.frame_timestamps_ns)
    assert all(repair_tracking_file(file).healthy for file in files)
    return sorted((read_tracking_file(file) for file in files), key=lambda found: int(found.frame_numbers[-1]))


def checked(ranges: Iterable[FrameRange]) -> FrameLedger:
    """Return a ledger in which every frame has one outcome, made of a file's."""
    ledger = FrameLedger()
    for one in ranges:
        ledger.add(one)
    ledger.check()
    return ledger


def tracked_numbers(ledger: FrameLedger) -> set[int]:
    """Return the numbers of the frames that were tracked."""
    return numbers_of(ledger, FrameOutcome.TRACKED)


def numbers_of(ledger: FrameLedger, outcome: FrameOutcome) -> set[int]:
    """Return the numbers of the frames that came to this."""
    return {number for one in ledger.ranges(outcome) for number in range(one.first, one.last + 1)}


def stored_numbers(found: Iterable[Recording]) -> set[int]:
    """Return the numbers of the frames that are in files."""
    return {int(number) for one in found for number in one.frame_numbers}


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
