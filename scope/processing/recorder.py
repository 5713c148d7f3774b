"""What a scope records, seen from the video processor."""

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.commands.scope import KeepFramesCommand
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange
from opticstream.scope.light_start import start_light
from opticstream.scope.processing.hardware_rows import HardwareRows
from opticstream.scope.processing.saving_patience import SavingPatience
from opticstream.scope.processing.stack_task import StackResult
from opticstream.scope.processing.writer_messages import (
    NOT_STORED,
    HardwareRefused,
    StartRecording,
    StopRecording,
    Stored,
    StoreHardware,
    StoreLedger,
    StoreNote,
    StoreStack,
    Trouble,
)
from opticstream.scope.restart_policy import RestartPolicy
from opticstream.scope.track_batch import TrackBatch

if TYPE_CHECKING:
    from opticstream.scope.managers.video_processor import VideoProcessorManager

logger = logging.getLogger("opticstream.scope")

_MOST_WAITING, _MOST_SMALL_WAITING, _SMALL_BYTES = 64, 2000, 256 << 20
"""Stacks that wait for the disk, and small ones, of which so many are no more than these bytes; what comes on top is not
stored, and said so. A fast camera fills 64 small stacks in less time than it takes to start the writer."""
_MOST_HELD = 0.5
"""Part of the video buffer that may be full while tracked stacks are held for the writer."""
_LEDGER_S = 1.0
_WARN_S = 300.0
_LOST_TRACKS, _LOST_VIDEO = "frames were tracked but not saved", "frames were saved without their video"


class Recorder:
    """Hands tracks to the process that writes files, and keeps the ledger of frames.

    A writer that dies is replaced, and gets again what it had not acknowledged. When the process this is a part of
    dies, frames that it had not released are tracked and stored again: none is lost, a few may be in two files. What
    became of those that it had released was told before.

    Args:
        manager: the process this is a part of.
    """

    def __init__(self, manager: "VideoProcessorManager") -> None:
        self._manager = manager
        self.ledger: FrameLedger = manager.kept.get("ledger") or FrameLedger()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._recording: StartRecording | None = None
        self._open: StartRecording | None = None
        """The recording that the writer is at; another one may have begun, or none, behind what waits."""
        self._following: deque[tuple[int, str, StartRecording]] = deque()
        """Recordings that go on from this one: with which batch, and why. Earlier ones were given out before."""
        self._hardware = HardwareRows(manager.shared.hardware_buffers)
        self._has_file = False
        """Whether the recording has a file that takes rows of devices: there is none before the first tracks."""
        self._queue: deque[object] = deque()
        """What the writer is still to do; it has been sent the first only, since a pipe that is full makes one wait."""
        self._ledger_at = 0.0
        self._lost = 0
        self._warned_at = -_WARN_S
        self._saves_from_birth = manager.shared.acquisition.saving
        """Frames that were taken before this process could begin a recording belong to it."""
        self._writer_deaths = RestartPolicy(limit=5)
        self.path: Path | None = None
        """The newest file."""

    def waitables(self) -> list[Any]:
        """Return what is ready when the writer has said something, or died."""
        if self._process is None or self._pipe is None:
            return []
        return [self._pipe, self._process.sentinel]

    @property
    def pid(self) -> int:
        """Process id of the writer; 0: there is none."""
        return (self._process.pid or 0) if self._process is not None else 0

    @property
    def waiting_stacks(self) -> set[int]:
        """Numbers of the stacks of the video buffer that are not to be released yet.

        They are those that the writer has to read, and those whose tracks it has not been sent: should this process
        die they are tracked again. A slow disk costs the camera no more than half the buffer.
        """
        waiting = list(self._queue)
        if self._recording is None or not self._recording.video:
            waiting = waiting[1:] if self._manager.video_buffer.get_level() < _MOST_HELD else []
        return {message.stack for message in waiting if isinstance(message, StoreStack)}

    # What became of the frames.

    def skipped(self, numbers: NDArray[np.uint64]) -> None:
        """Take note of frames that came while the acquisition was off."""
        self._enter(numbers, FrameOutcome.SKIPPED, "acquisition off")

    def failed(self, numbers: NDArray[np.uint64], reason: str) -> None:
        """Take note of frames that could not be tracked."""
        self._enter(numbers, FrameOutcome.FAILED, reason)

    def take(self, result: StackResult) -> None:
        """Take note of a stack that has been tracked, and store it where the scope saves."""
        batch = result.batch
        if batch is None:
            return
        self._begin_or_end()
        self._go_on(batch)
        self._enter(batch.frame_numbers, FrameOutcome.TRACKED)
        if self._recording is not None:
            task, profiles = result.task, result.profiles if self._recording.profiles else {}
            stack = StoreStack(batch, task.stack, profiles, task.regions)
            if self._has_room_for(stack):
                self._send(stack)
            else:
                self._not_stored(batch.frame_numbers, "the disk is too slow")
                self._lose(len(batch.frame_numbers), "the disk is too slow")

    def _has_room_for(self, stack: StoreStack) -> bool:
        """Say whether a stack may wait for the disk; those that wait are taken for as large as it is."""
        waiting = len(self._queue)
        return waiting < min(_MOST_SMALL_WAITING, max(_MOST_WAITING, _SMALL_BYTES // max(1, stack.nbytes)))

    def _enter(self, numbers: NDArray[np.uint64], outcome: FrameOutcome, reason: str = "") -> None:
        """Tell the scope, which outlives this process, before the frames are released."""
        if entered := self.ledger.follow(numbers, outcome, reason):
            self._manager.send_ipc(KeepFramesCommand(self._manager.name, entered))

    def _not_stored(self, numbers: NDArray[np.uint64], reason: str) -> None:
        """Take back that frames were tracked: they are in no file."""
        first, last = int(numbers[0]), int(numbers[-1])
        self.ledger.not_stored(first, last, reason)
        self._manager.count("frames_not_stored", len(numbers))
        one = FrameRange(first, last, FrameOutcome.NOT_STORED, reason)
        self._manager.send_ipc(KeepFramesCommand(self._manager.name, (one,)))

    # The recording.

    def look(self) -> None:
        """Take the writer's answers; begin or end a recording as the acquisition says."""
        self._begin_or_end()
        if self._process is not None and not self._process.is_alive():
            self._replace_writer()
        self._take_answers()
        if self._recording is not None and time.monotonic() - self._ledger_at > _LEDGER_S:
            self._store_hardware()
            self._store_ledger()

    def start_anew(self, reason: str) -> None:
        """Go on in a new recording, if there is one, from the next stack that is given out; no frame is left out."""
        if self._recording is not None and (folder := self._wanted) is not None:
            self._following.append((self._manager.next_sequence, reason, self._made(folder, 0)))

    def _go_on(self, batch: TrackBatch) -> None:
        """Begin the recording that a batch belongs to."""
        while self._recording is not None and self._following and self._following[0][0] <= batch.sequence:
            _, reason, following = self._following.popleft()
            start_ns = max(self._recording.start_ns, int(batch.timestamps_ns[0]))
            self._end(reason)
            self._start(replace(following, start_ns=start_ns))

    def note(self, text: str) -> None:
        """Store an operator's note; without a recording it goes to the log alone."""
        logger.info("note: %s", text)
        if self._recording is not None:
            self._send(StoreNote(time.time_ns(), text))

    def close(self, reason: str, patience_s: float) -> None:
        """Close the files and end the writer; returns when everything is on the disk, or after ``patience_s``.

        A writer that is at work then is waited for longer (`SavingPatience`). What the disk has not taken by then is given up, and the ledger says so; the writer closes the files when it is
        done with what it has, also after this process.
        """
        if self._process is None or self._pipe is None:
            return
        self._give_up_the_rest(reason)
        if self._recording is not None:
            self._end(reason)
        patience = SavingPatience(patience_s, lambda: [self.pid])
        while self._queue and self._process.is_alive() and (left := patience.left()):
            wait(self.waitables(), left)
            self._take_answers()
        with suppress(OSError):
            self._give_up_the_queue(f"{reason} before the disk had taken it")
            self._pipe.send(None)
        self._process.join(0.05)
        while self._process.is_alive() and (left := patience.left()):
            self._process.join(left)
        self._pipe.close()
        self._process = self._pipe = None

    def _give_up_the_rest(self, reason: str) -> None:
        """Write down that the frames in the buffer are not tracked any more, when nobody comes after this process."""
        newest = self.ledger.newest
        if newest is None or not self._manager.shared.quitting.is_set():
            return
        self._enter(np.arange(newest + 1, self._manager.video_buffer.next_number), FrameOutcome.PURGED, reason)

    def _give_up_the_queue(self, reason: str) -> None:
        """Send what closes the files behind the one message that the writer has."""
        alive, quitting = self._process is not None and self._process.is_alive(), self._manager.shared.quitting.is_set()
        if self._queue and alive:
            self._queue.popleft()
        released = int(self._manager.video_buffer.stacks_released)
        for message in self._queue:
            # Without the scope's end somebody comes after this process, who tracks again what is not released.
            if isinstance(message, StoreStack) and (quitting or message.stack < released):
                self._not_stored(message.batch.frame_numbers, reason)
        for message in self._queue:
            if self._pipe is not None and not isinstance(message, StoreStack | StoreHardware):
                self._pipe.send(message)
        self._queue.clear()

    @property
    def _wanted(self) -> Path | None:
        """The folder to save into; None: none."""
        acquisition = self._manager.shared.acquisition
        return Path(acquisition.dir) if acquisition.saving and acquisition.dir is not None else None

    def _begin_or_end(self) -> None:
        wanted, mode = self._wanted, self._manager.shared.acquisition.mode
        last = self._following[-1][2] if self._following else self._recording
        if last is None:
            if wanted is not None:
                self._begin(wanted)
        elif wanted is None:
            self._following.clear()
            self._end("saving was switched off")
        elif (wanted, mode.video, mode.tracks) != (last.folder, last.video, last.tracks):
            self.start_anew("folder or mode was changed")

    def _begin(self, folder: Path) -> None:
        manager, start_ns = self._manager, time.time_ns()
        if self._saves_from_birth:
            oldest_ns = manager.oldest_frame_ns()
            if oldest_ns is None:
                return  # the first stack says when it begins
            start_ns = min(start_ns, oldest_ns)
            self._saves_from_birth = False
        self._hardware.begin(start_ns)
        self._start(self._made(folder, start_ns))

    def _made(self, folder: Path, start_ns: int) -> StartRecording:
        manager, settings, mode = self._manager, self._manager.settings, self._manager.shared.acquisition.mode
        rotates = settings["tracking data file rotation enabled"]
        return StartRecording(
            folder,
            manager.recording_info(),
            start_ns,
            float(settings["tracking data file rotation interval minutes"]) if rotates else None,
            mode.video,
            mode.tracks,
            manager.video_kind,
            manager.save_profiles,
        )

    def _start(self, recording: StartRecording) -> None:
        self._recording, self._has_file = recording, False
        if self._process is None:
            self._spawn()
        self._send(recording)

    def _end(self, reason: str) -> None:
        self._store_hardware(last=True)
        self._send(StoreLedger(self.ledger))  # also if one waits: that ends before stacks that are behind it
        self._send(StopRecording(reason))
        self._recording = None

    def _store_ledger(self) -> None:
        self._ledger_at = time.monotonic()
        if not any(isinstance(message, StoreLedger) for message in list(self._queue)[1:]):
            self._send(StoreLedger(self.ledger))  # it is read when it is sent: one that waits says the newest

    def _settled(self) -> FrameLedger:
        """Return the ledger up to the first stack that may still turn out not to be stored."""
        waiting = (message for message in self._queue if isinstance(message, StoreStack))
        first = next(waiting, None)
        return self.ledger if first is None else self.ledger.before(int(first.batch.frame_numbers[0]))

    def _store_hardware(self, *, last: bool = False) -> None:
        """Send new rows of the devices, unless earlier ones wait for the disk and there is a next time."""
        if self._has_file and (last or not any(isinstance(message, StoreHardware) for message in self._queue)):
            for message in self._hardware.new():
                self._send(message)

    def _answer(self, message: object, answer: object) -> None:
        match answer:
            case Stored(_, path, error, video_error):
                if path is not None and path != self.path:
                    self.path = path
                    self._manager.show("tracking file", str(path))
                if path is not None and not any(isinstance(one, StartRecording) for one in self._queue):
                    self._has_file = True
                frames = message.batch.frame_numbers if isinstance(message, StoreStack) else np.empty(0, np.uint64)
                if error:
                    self._not_stored(frames, NOT_STORED)
                    self._lose(len(frames), error)
                elif video_error:
                    self._lose(len(frames), video_error, _LOST_VIDEO)
            case HardwareRefused(name, rows):
                self._hardware.refused(name, rows)
                self._has_file = False
            case Trouble(text):
                self._lose(0, text)

    def _lose(self, frames: int, why: str, what: str = _LOST_TRACKS) -> None:
        """Count frames that are not saved; tell of the first at once, of more now and then."""
        self._lost += frames
        if time.monotonic() - self._warned_at >= _WARN_S:
            self._warned_at = time.monotonic()
            self._manager.error(f"{self._lost} {what}" if self._lost else "not everything was saved", why)

    def _saved_again(self, path: Path | None) -> None:
        if self._lost:
            where = "" if path is None else f"tracks go on in {path}"
            self._manager.warn(f"all is saved again; {self._lost} frames were not", where)
            self._lost, self._warned_at = 0, -_WARN_S

    # The process.

    def _spawn(self) -> None:
        spawn = get_context("spawn")
        self._pipe, far = spawn.Pipe()
        self._process = spawn.Process(
            target=self._manager.file_writer,
            args=(far, self._manager.video_buffer),
            name="TrackingDataWriter",
            daemon=False,
        )  # no daemon: those are ended with their parent, and this one closes its files when its pipe ends
        start_light(self._process)
        far.close()

    def _replace_writer(self) -> None:
        code = self._process.exitcode if self._process is not None else None
        if not self._writer_deaths.again(time.monotonic()):
            raise RuntimeError(f"the process that writes files ended again and again, now with exit code {code}")
        self._manager.warn(f"the process that writes files ended with exit code {code}", "a new one goes on")
        self._take_answers()
        if self._pipe is not None:
            self._pipe.close()
        self._spawn()
        self._has_file = False
        if self._open is not None:  # what waits belongs to it, also if another recording has begun behind it
            self._queue.appendleft(self._open)
            self._open = None
        self._send_first()

    def _send(self, message: object) -> None:
        self._queue.append(message)
        if len(self._queue) == 1:
            self._send_first()

    def _send_first(self) -> None:
        if self._pipe is not None and self._queue:
            message = self._queue[0]
            with suppress(OSError):  # it has died: `look` finds out
                self._pipe.send(StoreLedger(self._settled()) if isinstance(message, StoreLedger) else message)

    def _take_answers(self) -> None:
        with suppress(EOFError, OSError):
            while self._pipe is not None and self._pipe.poll(0):
                answers = self._pipe.recv()
                message = self._queue.popleft()
                if isinstance(message, StartRecording | StopRecording):
                    self._open = message if isinstance(message, StartRecording) else None
                for answer in answers:
                    self._answer(message, answer)
                match answers:
                    case [Stored(_, path, "", "")] if path is not None or not self._saves_tracks():
                        self._saved_again(path)
                self._send_first()

    def _saves_tracks(self) -> bool:
        return self._recording is None or self._recording.tracks
