"""A video as one TIFF file."""

import struct
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import ArrayLike

from opticstream.core.errors import WriteFailed
from opticstream.scope.files.growing_file import GrowingFile
from opticstream.scope.files.video_frames import VideoFormat

_DESCRIPTION_BYTES = 2048
_NUMBER_TAG, _TIME_TAG = 65000, 65001
"""Private tags: the camera's frame number, and its time in ns since 1970 UTC."""
_SHORT, _RATIONAL, _ASCII, _LONG8, _SLONG8 = 3, 5, 2, 16, 17


class TiffVideo:
    """Appends frames to a BigTIFF of many pages, OME-TIFF with axes TYX or TCYX, readable at any time.

    The pages of a stack hang on the file by one pointer of 8 bytes, which is written last: a kill leaves all stacks
    before. Each page has the camera's frame number and time, ns since 1970 UTC, as its tags 65000 and 65001. Sources:
    TIFF 6.0; the BigTIFF extension; OME-TIFF specification 2016-06.

    Args:
        path: a new file.
        form: shape and scale.

    Raises:
        WriteFailed: it exists already or cannot be written.
    """

    def __init__(self, path: Path, form: VideoFormat) -> None:
        self._form, self._frames, self._name = form, 0, path.stem
        self._pointer, self._description = 8, 0
        self._file = GrowingFile(path)
        self._file.append(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))

    def append(self, frames: ArrayLike, numbers: ArrayLike, timestamps_ns: ArrayLike) -> None:
        """Add a stack, (F, Y, X) or (F, C, Y, X), with the camera's numbers and times, (F,).

        Raises:
            BadInput: shapes or type differ from the video's.
            WriteFailed: the disk refuses; the file is as before.
        """
        pixels, count, times = self._form.take(frames, numbers, timestamps_ns)
        if not len(pixels):
            return
        height, width = self._form.shape[-2:]
        pages = pixels.reshape(-1, height, width)
        channels = len(pages) // len(pixels)
        before, start = self._file.size, -(-self._file.size // 8) * 8
        pieces: list[bytes | memoryview] = [bytes(start - before)]
        at, first, link, description = start, 0, 0, self._description
        for index, page in enumerate(pages):
            data = page.tobytes() + bytes(-page.nbytes % 8)
            head = bytes(_DESCRIPTION_BYTES) if not description else b""
            if head:
                description = at
            directory = at + len(head) + len(data)
            entries = self._entries(at + len(head), int(count[index // channels]), int(times[index // channels]))
            if head:
                entries = sorted([*entries, _entry(270, _ASCII, _DESCRIPTION_BYTES, struct.pack("<Q", at))])
            end = directory + 8 + 20 * len(entries) + 8
            following = -(-end // 8) * 8
            ifd = struct.pack("<Q", len(entries)) + b"".join(entries)
            if not first:
                first = directory
            else:
                pieces[link] = bytes(pieces[link])[:-8] + struct.pack("<Q", directory)
            pieces += [head, data, ifd + bytes(8), bytes(following - end)]
            link, at = len(pieces) - 2, following
            last_pointer = end - 8
        self._file.append(*pieces)
        try:
            self._file.patch(description, self._text(self._frames + len(pixels)))
            self._file.patch(self._pointer, struct.pack("<Q", first))
        except WriteFailed:
            self._file.cut(before)
            raise
        self._pointer, self._description, self._frames = last_pointer, description, self._frames + len(pixels)

    def close(self) -> None:
        """Make the file durable and close it. Raises WriteFailed."""
        self._file.close()

    def _entries(self, place: int, number: int, time_ns: int) -> list[bytes]:
        """Return the tags of a page in order, its pixels being at ``place``."""
        height, width = self._form.shape[-2:]
        size = height * width * np.dtype(self._form.dtype).itemsize
        per_cm = struct.pack("<II", *_rational(1e7 / self._form.nm_per_px))
        longs = {256: width, 257: height, 273: place, 278: height, 279: size, _NUMBER_TAG: number}
        shorts = {258: np.dtype(self._form.dtype).itemsize * 8, 259: 1, 262: 1, 277: 1, 296: 3, 339: 1}
        entries = [_entry(tag, _LONG8, 1, struct.pack("<Q", value)) for tag, value in longs.items()]
        entries += [_entry(tag, _SHORT, 1, struct.pack("<H6x", value)) for tag, value in shorts.items()]
        entries += [_entry(tag, _RATIONAL, 1, per_cm) for tag in (282, 283)]
        return sorted([*entries, _entry(_TIME_TAG, _SLONG8, 1, struct.pack("<q", time_ns))])

    def _text(self, frames: int) -> bytes:
        """Return the OME-XML of so many frames; the rest of its room is spaces."""
        *channels, height, width = self._form.shape
        number = channels[0] if channels else 1
        size = f'SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="{number}" SizeT="{frames}"'
        scale = " ".join(
            f'PhysicalSize{axis}="{self._form.nm_per_px!r}" PhysicalSize{axis}Unit="nm"' for axis in ("X", "Y")
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            f'<Image ID="Image:0" Name={quoteattr(self._name[:200])}>'
            f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="{self._form.dtype}" {size} {scale} BigEndian="false">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>'
        ).encode("ascii", "xmlcharrefreplace")
        return text.ljust(_DESCRIPTION_BYTES - 1) + b"\0"


def _entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack("<HHQ", tag, kind, count) + value


def _rational(value: float) -> tuple[int, int]:
    """Return a fraction of 32-bit numbers near a positive value."""
    denominator = 1
    while denominator < 1_000_000 and value * denominator * 10 < 2**32 - 1:
        denominator *= 10
    return min(max(round(value * denominator), 1), 2**32 - 1), denominator
