"""Where raw files go while their bytes are in memory anyway."""

from typing import Protocol


class RawSink(Protocol):
    """Receives raw files from whoever reads them, so that an archive copy needs no second read.

    For each file :meth:`begin`, then :meth:`write` for its bytes in order, then :meth:`end`. Files come in the order
    of their index, each exactly once, whole, and never two at a time; all calls come from one thread, which need not
    be the one that began the work. After an error or a stop no more calls follow: a file that has not been ended is
    not whole.
    """

    def begin(self, name: str, size: int) -> None:
        """Take up the next file.

        Args:
            name: its name in the raw folder.
            size: bytes that will be written.
        """

    def write(self, data: memoryview) -> None:
        """Take the next bytes; ``data`` is only valid during the call, since the buffer is used again."""

    def end(self, name: str) -> None:
        """Close the file: all its bytes have been written."""
