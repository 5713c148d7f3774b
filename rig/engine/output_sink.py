"""What becomes of one stream's output, however it comes."""

import re
import time
from collections.abc import Sequence

from opticstream.rig.engine.line_splitter import LineSplitter
from opticstream.rig.engine.line_teller import LineTeller
from opticstream.rig.engine.output_log import OutputLog
from opticstream.rig.engine.protocol import StreamName

_TAIL_BYTES = 1 << 14
_TAIL_LINES = 50
_LINE_BYTES = 1 << 13


class OutputSink:
    """Logs bytes, tells their lines, remembers the last of them, and looks for patterns; in bounded memory.

    Args:
        stream: which one.
        log: where the bytes go; None: nowhere.
        teller: is told the lines.
        patterns: regular expressions; the first line one of them is found in is remembered.
    """

    def __init__(self, stream: StreamName, log: OutputLog | None, teller: LineTeller, patterns: Sequence[str]) -> None:
        self.stream = stream
        self.bytes = 0
        self.last_at: float | None = None
        """Monotonic seconds of the last output; None before the first."""
        self.first_at: float | None = None
        """Monotonic seconds of the first output."""
        self.match: str | None = None
        """The first line in which a pattern was found."""

        self._log, self._teller = log, teller
        self._patterns = [re.compile(pattern.encode(), re.IGNORECASE) for pattern in patterns]
        self._begun = b""
        self._splitter = LineSplitter()
        self._skipping = False
        self._tail = b""

    def tail(self) -> tuple[str, ...]:
        """Return the last lines, at most 50 of the last 16 kB."""
        splitter = LineSplitter(1000)
        tail = self._tail
        if self.bytes > len(tail):  # begins in the middle of a line, unless that line is all there is
            tail = tail.partition(b"\n")[2] or tail
        return tuple((splitter.feed(tail) + splitter.finish())[-_TAIL_LINES:])

    def take(self, data: memoryview) -> None:
        """Take what has come."""
        if not data:
            return
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        self.bytes += len(data)
        if self._log:
            self._log.write(data)
        self._tail = bytes(data[-_TAIL_BYTES:]) if len(data) >= _TAIL_BYTES else (self._tail + data)[-_TAIL_BYTES:]
        if self._patterns and self.match is None:
            self._search(bytes(data))
        if self._teller.room(self.stream, len(data)):
            text = bytes(data)
            if self._skipping:
                text = text.partition(b"\n")[2]
                self._skipping = False
            self._pass_on(self._splitter.feed(text))
        elif not self._skipping:
            self._splitter.finish()  # the rest of the line that was begun is among what is left out
            self._skipping = True

    def finish(self) -> None:
        """Take the last line, also when it has no end."""
        self._pass_on(self._splitter.finish())
        if self._begun:
            self._search(b"\n")

    def close(self) -> None:
        """Give the log back."""
        if self._log:
            self._log.close()

    def _pass_on(self, lines: list[str]) -> None:
        self._teller.tell(self.stream, lines)

    def _search(self, data: bytes) -> None:
        """Look for the patterns line by line; a line that is not ended is looked at when it is."""
        lines = (self._begun + data).split(b"\n")
        self._begun = lines.pop()[-_LINE_BYTES:]
        for line in lines:
            if any(pattern.search(line) for pattern in self._patterns):
                self.match = line[:_LINE_BYTES].decode("utf-8", "replace").strip()
                return
