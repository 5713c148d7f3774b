"""What MATLAB prints, as a stream object it accepts."""

import io

from opticstream.rig.engine.output_sink import OutputSink


class TextStream(io.StringIO):
    """Passes on what is written to it and keeps nothing; MATLAB's engine takes no other kind of object than this.

    Args:
        sink: is given what comes.
    """

    def __init__(self, sink: OutputSink) -> None:
        super().__init__()
        self._sink = sink

    def write(self, text: str) -> int:
        """Pass ``text`` on."""
        self._sink.take(memoryview(text.encode("utf-8", "replace")))
        return len(text)

    def finish(self) -> None:
        """Pass on what was put into the object without calling `write`, as C code may, and the last line."""
        rest = self.getvalue()
        if rest:
            self.truncate(0)
            self.seek(0)
            self.write(rest)
        self._sink.finish()
