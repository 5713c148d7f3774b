"""The camera of the simulated light sheet: expected light becomes counts with shot noise, in frames as they are spooled."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.lsm_sample import Sample, hash64

PixelEncoding = Literal["Mono16", "Mono8"]

_BLOCK_BYTES = 16 << 20
"""Light of as many frames as fit is worked on at once; never fewer than 4 frames, so that structures are drawn once."""
_NOISE = 1 << 20
"""Length of the table of noise; each row of a frame, which is shorter, begins at a random place of it."""
_MONO8_DIVISOR = 8
_MONO8_LARGEST = 239
"""Padding holds larger values, so that a reader who forgets to crop is seen."""
_CLOCK_HZ = 100_000_000
_EXPOSURE_S = 0.0025


@dataclass(frozen=True)
class CameraModel:
    """How light becomes counts; written into the ground truth."""

    offset: float = 100.0
    """Counts without light."""
    gain: float = 2.05
    """Counts per photo-electron."""
    read_noise: float = 1.4
    """Photo-electrons, root mean square."""

    def counts(self, electrons: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return noise-free counts, float32, not rounded."""
        return electrons * np.float32(self.gain) + np.float32(self.offset)


@dataclass(frozen=True)
class FrameFormat:
    """What one frame occupies in a spool file."""

    rows: int
    """AOIHeight: rows with an image."""
    columns: int
    """AOIWidth."""
    encoding: PixelEncoding = "Mono16"
    stride_padding: int = 0
    """Bytes after the pixels of each row."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Sample type: little-endian uint16 or uint8."""
        return np.dtype("<u2" if self.encoding == "Mono16" else "u1")

    @property
    def stride(self) -> int:
        """AOIStride: bytes of a row."""
        return self.columns * self.dtype.itemsize + self.stride_padding

    @property
    def padded_rows(self) -> int:
        """Rows with those the camera appends for its metadata: one after an odd number of rows, two after an even."""
        return self.rows + (1 if self.rows % 2 else 2)

    @property
    def nbytes(self) -> int:
        """Bytes of a frame."""
        return self.stride * self.padded_rows


@cache
def _normal_table() -> NDArray[np.float32]:
    """Return standard normal values, twice over, so that a row can begin anywhere in the first half."""
    table = np.random.default_rng(20).standard_normal(_NOISE, dtype=np.float32)
    return np.concatenate([table, table])


class SimulatedCamera:
    """Yields the bytes of a strip's frames in blocks of bounded size.

    A pixel with λ expected photo-electrons reads offset + gain · (λ + √(λ + r²)·n + (n² - 1)/6), n standard normal and
    r the read noise: a Poisson number to the second order of its Cornish-Fisher expansion (Abramowitz and Stegun,
    26.2.49), good from a few photo-electrons on.

    Args:
        sample: the tissue.
        model: how light becomes counts.
        form: layout of a frame.
        noise_key: strips with different numbers get independent noise.
    """

    def __init__(self, sample: Sample, model: CameraModel, form: FrameFormat, noise_key: tuple[int, ...]) -> None:
        self._sample, self._model, self._form = sample, model, form
        self._key = int(hash64(*noise_key)[0] >> np.uint64(1))

    def spool(self, first: int, count: int, *, x: int, y: int, dark_from: int) -> Iterator[NDArray[np.uint8]]:
        """Yield frames as they stand in a spool file, (frames, padded rows, stride bytes) uint8.

        Args:
            first: number of the first frame, from 0.
            count: frames.
            x: frame 0 in the sample.
            y: column 0 in the sample.
            dark_from: frames from this number on see no light.
        """
        form = self._form
        at_once = max(4, _BLOCK_BYTES // (4 * form.rows * form.columns))
        for start in range(first, first + count, at_once):
            number = min(at_once, first + count - start)
            lit = max(0, min(number, dark_from - start))
            light = np.zeros((number, form.rows, form.columns), np.float32)
            if lit:
                light[:lit] = self._sample.electrons(
                    (x + start, x + start + lit), (0, form.rows), (y, y + form.columns)
                )
            block = self._padding(start, number)
            for index, frame in enumerate(light):
                pixels = block[index, : form.rows, : form.columns * form.dtype.itemsize].view(form.dtype)
                self._expose(frame, start + index, pixels)
            yield block

    def _expose(self, light: NDArray[np.float32], frame: int, pixels: NDArray[Any]) -> None:
        """Turn the light of a frame into counts; ``light`` is used up."""
        rows, columns = light.shape
        lines = np.arange(frame * rows, (frame + 1) * rows, dtype=np.uint64)
        starts = (hash64(self._key, lines) % np.uint64(_NOISE)).astype(np.intp)
        normal = np.lib.stride_tricks.sliding_window_view(_normal_table(), columns)[starts]
        skew = normal * normal
        skew -= 1
        skew *= np.float32(1 / 6)
        normal *= np.sqrt(light + np.float32(self._model.read_noise**2))
        light += normal
        light += skew
        counts = self._model.counts(light)
        if self._form.encoding == "Mono8":
            counts *= np.float32(1 / _MONO8_DIVISOR)
        largest = _MONO8_LARGEST if self._form.encoding == "Mono8" else 0x7FFF
        np.clip(counts, 0, largest, out=counts)
        counts += np.float32(0.5)  # the cast cuts off
        np.copyto(pixels, counts, casting="unsafe")

    def _padding(self, first: int, count: int) -> NDArray[np.uint8]:
        """Return frames without an image: behind each row and below the last stand bytes of large values.

        The first bytes below the image are the camera's own: length, kind, frame number and clock.
        """
        form = self._form
        block = np.empty((count, form.padded_rows, form.stride), np.uint8)
        behind = form.columns * form.dtype.itemsize
        filler = (hash64(7, np.arange(form.stride, dtype=np.uint64)) % np.uint64(15) + np.uint64(241)).astype(np.uint8)
        block[:, :, behind:] = filler[behind:]
        block[:, form.rows :] = filler
        for index in range(count):
            ticks = int((first + index) * _EXPOSURE_S * _CLOCK_HZ)
            record = struct.pack("<IIQQ", 20, 7, first + index, ticks)[: form.stride]
            block[index, form.rows, : len(record)] = np.frombuffer(record, np.uint8)
        return block
