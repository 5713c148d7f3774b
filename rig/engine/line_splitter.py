"""Bytes as they come, lines as they are shown."""

import codecs


class LineSplitter:
    r"""Cuts a stream of bytes into lines, in bounded memory.

    Lines end at ``\n``, ``\r\n`` or a lone ``\r`` (progress bars). Bytes that are not UTF-8 become ``�``. Of a line
    longer than ``limit`` characters the first ``limit`` are given, with a note of how many were left out.

    Args:
        limit: characters of a line that are kept.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._cut = 0
        self._after_return = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that ended in ``data``."""
        return self._take(self._decoder.decode(data))

    def finish(self) -> list[str]:
        """Return the line that was begun and not ended, if any; the splitter is as new then."""
        lines = self._take(self._decoder.decode(b"", final=True))
        self._decoder.reset()
        self._after_return = False
        if self._begun or self._cut:
            lines.append(self._ended(""))
        return lines

    def _take(self, text: str) -> list[str]:
        if not text:
            return []
        if self._after_return and text[0] == "\n":  # the second half of \r\n
            text = text[1:]
        self._after_return = text[-1:] == "\r"
        pieces = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines = [self._ended(piece) for piece in pieces[:-1]]
        room = self._limit - len(self._begun)
        self._begun += pieces[-1][:room]
        self._cut += max(0, len(pieces[-1]) - room)
        return lines

    def _ended(self, last: str) -> str:
        room = self._limit - len(self._begun)
        cut = self._cut + max(0, len(last) - room)
        line = self._begun + last[:room]
        self._begun, self._cut = "", 0
        return f"{line}… ({cut} characters left out)" if cut else line
