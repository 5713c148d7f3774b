"""The process that writes files."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn

from opticstream.core.errors import OpticstreamError
from opticstream.scope.interrupts import stay_deaf
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
    crops_of,
)
from opticstream.scope.quick_exit import quick_exit

if TYPE_CHECKING:
    from opticstream.scope.files import TrackingFileWriter
    from opticstream.scope.files.profile_file import ProfileFile

Answer = Stored | HardwareRefused | Trouble
logger = logging.getLogger("opticstream.scope")


def writer_main(pipe: Connection, video_buffer: Any) -> NoReturn:
    """Write what comes, answering each message with a list, until the pipe ends; then close the files."""
    stay_deaf()
    files = _Files(video_buffer)
    reason = "the process that tracks is gone"
    with suppress(EOFError, OSError):
        while (message := pipe.recv()) is not None:
            answers = files.take(message)
            with suppress(OSError):  # who is gone may have left more to write
                pipe.send(answers)
        reason = "the scope ended"
    files.close(reason)
    quick_exit(0)


class _Files:
    def __init__(self, video_buffer: Any) -> None:
        self._video_buffer = video_buffer
        self._tracks: TrackingFileWriter | None = None
        self._video: Any = None
        self._profiles: ProfileFile | None = None
        self._kind = ""
        self._refused: tuple[int, int] | None = None
        """First and last frame of the newest stack, if it could not be stored."""

    def take(self, message: object) -> Sequence[Answer]:
        match message:
            case StoreStack():
                return self._store(message)
            case StoreHardware():
                return self._store_hardware(message)
            case StartRecording():
                self.close("another recording begins")
                return self._tried(lambda: self._start(message))
            case StoreNote(time_ns, text) if self._tracks is not None:
                tracks = self._tracks
                return self._tried(lambda: tracks.add_note(time_ns, text))
            case StoreLedger(ledger) if self._tracks is not None:
                tracks = self._tracks
                if self._refused is not None:  # who sent the ledger may not know yet
                    ledger.not_stored(*self._refused, NOT_STORED)
                return self._tried(lambda: tracks.set_ledger(ledger))
            case StopRecording(reason):
                self.close(reason)
        return []

    def _start(self, message: StartRecording) -> None:
        from opticstream.scope.files import TrackingFileWriter

        self._kind = message.video
        if message.tracks:
            self._tracks = TrackingFileWriter(
                message.folder, message.info, start_ns=message.start_ns, rotation_minutes=message.rotation_minutes
            )
        if message.video:
            from opticstream.scope.processing.video_recording import VideoRecording

            scale = message.info.nm_per_px / message.info.magnification
            self._video = VideoRecording(message.folder, message.start_ns, scale, message.video_kind)
        if message.profiles:
            from opticstream.scope.files.profile_file import ProfileFile

            self._profiles = ProfileFile(message.folder, message.start_ns)

    def _store(self, message: StoreStack) -> list[Answer]:
        """Store tracks, video and profiles; a stack is stored when its tracks are, or its video where that is all."""
        batch, path, error, video_error = message.batch, None, "", ""
        try:
            path = self._tracks.append(batch) if self._tracks is not None and len(batch.bead_ids) else None
        except (OpticstreamError, OSError) as refused:
            error = str(refused)
        if self._video is not None and (troubles := self._tried(lambda: self._store_video(message))):
            video_error = troubles[0].text
            if self._tracks is None:
                error, video_error = video_error, ""
        others: list[Trouble] = []
        if self._profiles is not None and message.profiles:
            profiles = self._profiles
            others = self._tried(lambda: profiles.append(batch.timestamps_ns, message.profiles))
        self._refused = (int(batch.frame_numbers[0]), int(batch.frame_numbers[-1])) if error else None
        return [Stored(batch.sequence, path, error, video_error), *others]

    def _store_video(self, message: StoreStack) -> None:
        batch = message.batch
        if self._kind == "full" or len(message.regions):
            stack = self._video_buffer.stack(message.stack)
            images = stack.frames if self._kind == "full" else crops_of(stack.frames, message.regions)
            self._video.append(images, batch.frame_numbers, batch.timestamps_ns)

    def _store_hardware(self, message: StoreHardware) -> list[Answer]:
        try:
            taken = self._tracks is not None and self._tracks.add_telemetry(message.name, message.rows, message.missed)
            trouble: list[Answer] = []
        except (OpticstreamError, OSError) as error:
            taken, trouble = False, [Trouble(str(error))]
        return trouble if taken else [HardwareRefused(message.name, len(message.rows) + message.missed), *trouble]

    def _tried(self, work: Callable[[], object]) -> list[Trouble]:
        try:
            work()
        except (OpticstreamError, OSError) as error:
            return [Trouble(str(error))]
        return []

    def close(self, reason: str) -> None:
        """Close all files."""
        tracks, video, profiles = self._tracks, self._video, self._profiles
        self._tracks = self._video = self._profiles = None
        self._refused = None
        if tracks is not None:
            tracks.close(reason)
        if video is not None:
            video.close()
        if profiles is not None:
            profiles.close()
