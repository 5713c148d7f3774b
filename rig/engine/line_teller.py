"""Lines to whoever wants them, never at the expense of the process that writes them."""

import logging
import threading
import time
from collections import deque

from opticstream.core.patience import joined
from opticstream.rig.engine.protocol import LineCallback, StreamName

_log = logging.getLogger("opticstream.rig")
_BYTES_PER_S = 2e5
_BURST_BYTES = 1e6
_BACKLOG_LINES = 20_000


class LineTeller:
    """Calls a function for each line, in a thread of its own, so that a slow one stops nobody.

    More than 200 kB a second (1 MB at first), or 20,000 lines that the function has not yet taken, are left out; a line
    says how much.

    Args:
        callback: what to call; None: nothing.
    """

    def __init__(self, callback: LineCallback | None) -> None:
        self._callback = callback
        self._waiting: deque[tuple[StreamName, str]] = deque()
        self._wake = threading.Condition()
        self._ended = False
        self._budget, self._budget_at = _BURST_BYTES, time.monotonic()
        self._left_out: dict[StreamName, int] = {"output": 0, "error": 0}
        self._thread = threading.Thread(target=self._tell, name="opticstream-lines", daemon=True)
        if callback is not None:
            self._thread.start()

    def room(self, stream: StreamName, size: int) -> bool:
        """Say whether that many bytes can be told now; otherwise count them as left out."""
        if self._callback is None:
            return False
        now = time.monotonic()
        with self._wake:
            self._budget = min(_BURST_BYTES, self._budget + (now - self._budget_at) * _BYTES_PER_S)
            self._budget_at = now
            if size > self._budget or len(self._waiting) >= _BACKLOG_LINES:
                self._left_out[stream] += size
                return False
            self._budget -= size
            return True

    def tell(self, stream: StreamName, lines: list[str]) -> None:
        """Pass lines on."""
        if self._callback is None or not lines:
            return
        with self._wake:
            self._note(stream)
            room = max(0, _BACKLOG_LINES - len(self._waiting))
            self._waiting.extend((stream, line) for line in lines[:room])
            self._left_out[stream] += sum(len(line) + 1 for line in lines[room:])
            self._wake.notify()

    def finish(self, timeout_s: float) -> None:
        """Wait until everything is told; a function that does not return in time is left alone, with a warning."""
        if self._callback is None:
            return
        with self._wake:
            self._note("output")
            self._note("error")
            self._ended = True
            self._wake.notify()
        if not joined(self._thread, timeout_s):
            with self._wake:
                left = len(self._waiting)
                self._waiting.clear()
            _log.warning("What shows the acquisition's output is too slow; %d lines were not shown", left)

    def _note(self, stream: StreamName) -> None:
        if self._left_out[stream]:
            self._waiting.append((stream, f"… {self._left_out[stream]:,} bytes left out; see the log file"))
            self._left_out[stream] = 0

    def _tell(self) -> None:
        assert self._callback is not None  # the thread is started only then  # noqa: S101
        complained = False
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                stream, line = self._waiting.popleft()
            try:
                self._callback(stream, line)
            except Exception:
                if not complained:
                    _log.exception("What shows the acquisition's output failed; the acquisition goes on")
                complained = True
