"""The first bytes of an HDF5 file, and a view of the file as if a writer had closed it."""

import io
import struct
from pathlib import Path

_FLAGS_AT, _END_AT, _SIZE = 11, 28, 48
_MASK = 0xFFFFFFFF


class AsClosed(io.RawIOBase):
    """A file for reading whose superblock says that no writer has it open and that it ends where HDF5 thinks.

    What lies behind the file's real end reads as zeros, so that HDF5 finds what is missing by its checksums instead
    of waiting for a writer that is gone. Give it to ``h5py.File(..., driver="fileobj")``. Source: HDF5 file format
    specification 3.0, II.A (superblock, versions 2 and 3).

    Args:
        path: any file; one with another superblock is shown as it is.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._handle = path.open("rb", buffering=0)
        head = bytearray(self._handle.read(_SIZE))
        self._head, self._size = b"", path.stat().st_size
        self.length = self._size
        if len(head) == _SIZE and head[:8] == b"\x89HDF\r\n\x1a\n" and head[8] in (2, 3) and head[9] == head[10] == 8:
            self.length = max(self._size, struct.unpack_from("<Q", head, _END_AT)[0])
            head[_FLAGS_AT] = 0
            struct.pack_into("<Q", head, _END_AT, self.length)
            struct.pack_into("<I", head, _SIZE - 4, lookup3(bytes(head[:-4])))
            self._head = bytes(head)
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.length}[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self.length - self._at))
        self._handle.seek(self._at)
        got = 0
        while got < wanted and (more := self._handle.readinto(view[got:wanted])):
            got += more
        view[got:wanted] = bytes(wanted - got)
        own = self._head[self._at : self._at + wanted]
        view[: len(own)] = own
        self._at += wanted
        return wanted

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
        super().close()


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def lookup3(data: bytes) -> int:
    """Return the checksum of HDF5's metadata: ``hashlittle`` of Jenkins' lookup3 (public domain, 2006), seed 0."""
    a: int = (0xDEADBEEF + len(data)) & _MASK
    b = c = a
    rest = data
    while len(rest) > 12:
        x, y, z = (int(word) for word in struct.unpack_from("<III", rest))
        a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
        for bits in ((4, 6, 8), (16, 19, 4)):
            a = ((a - c) & _MASK) ^ _rotated(c, bits[0])
            c = (c + b) & _MASK
            b = ((b - a) & _MASK) ^ _rotated(a, bits[1])
            a = (a + c) & _MASK
            c = ((c - b) & _MASK) ^ _rotated(b, bits[2])
            b = (b + a) & _MASK
        rest = rest[12:]
    if not rest:
        return c
    x, y, z = (int(word) for word in struct.unpack("<III", rest.ljust(12, b"\0")))
    a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
    for first, second, third in ((14, 11, 25), (16, 4, 14)):
        c = ((c ^ b) - _rotated(b, first)) & _MASK
        a = ((a ^ c) - _rotated(c, second)) & _MASK
        b = ((b ^ a) - _rotated(a, third)) & _MASK
    return ((c ^ b) - _rotated(b, 24)) & _MASK
