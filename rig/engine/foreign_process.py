"""A process that a lab's own launcher started, taken for an acquisition."""

import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psutil

from opticstream.core.patience import joined
from opticstream.rig.engine.judgement import signal_name
from opticstream.rig.engine.pending_result import PendingResult
from opticstream.rig.engine.protocol import LineCallback, StreamName
from opticstream.rig.engine.result import EngineResult, Outcome

_log = logging.getLogger("opticstream.rig")
_TAIL_LINES = 200
_LONGEST = 1 << 16
"""Bytes or characters of a line that are told at once; a line may have no end."""
_POLL_S = 0.05
_READERS_S = 5.0
_KILL_S = 3.0


class ForeignProcess(PendingResult):
    """Watches over an object that looks like ``subprocess.Popen``, and reads its pipes if it has any.

    Nothing of ours started it, so there is no record of it in the session folder. A stop ends it and its descendants.

    Args:
        process: has ``poll()``, ``terminate()``, ``kill()``; may have ``pid``, ``stdout``, ``stderr``.
        on_line: is told each line of the pipes.
    """

    def __init__(self, process: Any, on_line: LineCallback | None = None) -> None:
        super().__init__()
        self._process, self._on_line = process, on_line
        self._started = datetime.now(UTC)
        self._stop: tuple[str, float] | None = None  # a bare attribute: it is set in signal handlers
        self._stopped = False
        self._told = threading.Lock()
        self._tails: dict[StreamName, deque[str]] = {
            "output": deque(maxlen=_TAIL_LINES),
            "error": deque(maxlen=_TAIL_LINES),
        }
        self._bytes: dict[StreamName, int] = {"output": 0, "error": 0}
        streams: tuple[tuple[StreamName, Any], ...] = (
            ("output", getattr(process, "stdout", None)),
            ("error", getattr(process, "stderr", None)),
        )
        self._readers = [
            (threading.Thread(target=self._read, args=(stream, pipe), name=f"opticstream-{stream}", daemon=True), pipe)
            for stream, pipe in streams
            if pipe is not None
        ]
        for reader, _ in self._readers:
            reader.start()
        threading.Thread(target=self._supervise, name="opticstream-acquisition", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """Process id, where it has one."""
        found = getattr(self._process, "pid", None)
        return found if isinstance(found, int) else None

    def request_stop(self, reason: str, grace_s: float = 10.0) -> None:
        """Ask it to terminate, and kill it after ``grace_s``; another request with less patience shortens the wait."""
        before = self._stop
        self._stop = (before[0] if before else reason, max(0.0, min(grace_s, before[1] if before else grace_s)))

    def _read(self, stream: StreamName, pipe: Any) -> None:
        try:
            for raw in _lines(pipe):
                line = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
                self._bytes[stream] += len(raw)
                text = line.rstrip("\r\n")
                self._tails[stream].append(text)
                if self._on_line:
                    with self._told:
                        self._on_line(stream, text)
        except (OSError, ValueError) as error:  # closed by whoever made it
            _log.debug("standard %s of the acquisition: %s", stream, error)

    def _supervise(self) -> None:
        try:
            while self._process.poll() is None:
                if self._stop:
                    self._end()
                    break
                time.sleep(_POLL_S)
            for reader, pipe in self._readers:
                if joined(reader, _READERS_S):  # else a process that outlived it holds the other end
                    pipe.close()
        finally:
            self._settle(self._judge(self._stop if self._stopped else None))

    def _end(self) -> None:
        self._stopped = True
        descendants = self._descendants()
        self._process.terminate()
        began = time.monotonic()
        while self._process.poll() is None and self._stop and time.monotonic() < began + self._stop[1]:
            time.sleep(_POLL_S)
        if self._process.poll() is None:
            descendants += self._descendants()
            self._process.kill()
        for process in descendants:
            with suppress(psutil.Error):  # psutil looks whether the number is still this process's
                process.kill()
        deadline = time.monotonic() + _KILL_S
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _descendants(self) -> list[psutil.Process]:
        if self.pid is None:
            return []
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return []

    def _judge(self, stop: tuple[str, float] | None) -> EngineResult:
        code = self._process.poll()
        code = code if isinstance(code, int) else None
        outcome: Outcome = "stopped" if stop else "completed" if code == 0 else "failed"
        reason = stop[0] if stop else "" if code == 0 else _reason(code)
        return EngineResult(
            outcome=outcome,
            reason=reason,
            exit_code=code if code is None or code >= 0 else None,
            signal=signal_name(-code) if code is not None and code < 0 else None,
            started=self._started,
            stopped=datetime.now(UTC),
            output_tail=tuple(self._tails["output"]),
            error_tail=tuple(self._tails["error"]),
            output_bytes=self._bytes["output"],
            error_bytes=self._bytes["error"],
            left_behind=() if code is not None or self.pid is None else (self.pid,),
        )


def _lines(pipe: Any) -> Iterator[Any]:
    """Yield what comes, line by line; a longer line in parts, and what is no text with ``�`` in its place."""
    with suppress(AttributeError, OSError, ValueError):  # bytes, or somebody has read from it before
        pipe.reconfigure(errors="replace")
    read = getattr(pipe, "readline", None)
    if read is None:
        yield from pipe
        return
    while True:
        try:
            line = read(_LONGEST)
        except UnicodeDecodeError:  # what is left unread would stop whoever writes it
            read = pipe.buffer.readline
            continue
        if not line:
            return
        yield line


def _reason(code: int | None) -> str:
    if code is None:
        return "it could not be ended"
    return f"ended by {signal_name(-code)}" if code < 0 else f"exit code {code}"


def is_process(thing: object) -> bool:
    """Say whether something can be taken for a process."""
    return isinstance(thing, subprocess.Popen) or all(
        callable(getattr(thing, name, None)) for name in ("poll", "terminate", "kill")
    )
