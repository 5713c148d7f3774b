"""How chunks are compressed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from opticstream.core.lsm_config import Shuffle, ZarrOptions
from opticstream.imaging.kernel_cache import numba_usable

_BLOCK_BYTES = 2 << 20
"""The larger a block, the longer each plane of bits that is compressed on its own; measured, zstd gains half its
speed and a twentieth in size from here over blosc's own choice. Above 2 MB nothing more is gained."""

BLOSC_OVERHEAD = 16
"""Bytes a compressed chunk may be longer than its voxels (``BLOSC_MAX_OVERHEAD``)."""

_FLAGS, _BLOCKSIZE = 2, slice(8, 12)
_MEMCPYED, _BITSHUFFLED = 0x2, 0x4
"""Where a frame's header says how it was made, and what (C-Blosc 1, ``README_CHUNK_FORMAT.rst``)."""

_SHUFFLES: dict[Shuffle, int] = {"none": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}


@dataclass(frozen=True)
class ChunkCodec:
    """Compresses chunks; any number of threads may share one."""

    options: ZarrOptions
    chunk_bytes: int
    """Bytes of a chunk."""

    @property
    def blocksize(self) -> int:
        """Bytes that blosc compresses at once."""
        return min(self.chunk_bytes, _BLOCK_BYTES)

    @property
    def blosc(self) -> Any:
        """Blosc; off the main thread its own threads stay unused and no lock is taken."""
        return self._blosc(self.options.shuffle)

    def encode(self, items: NDArray[Any]) -> bytes:
        """Return a chunk compressed, as :meth:`encode_into` does."""
        out = np.empty(items.nbytes + BLOSC_OVERHEAD, np.uint8)
        return out[: self.encode_into(items, out)].tobytes()

    def encode_into(self, items: NDArray[Any], out: NDArray[np.uint8]) -> int:
        """Compress a chunk; byte for byte what :attr:`blosc` gives.

        Args:
            items: the chunk, contiguous, ``uint16`` or ``uint8``.
            out: receives the compressed chunk; flat, at least :data:`BLOSC_OVERHEAD` bytes longer than the chunk.
                What it holds behind the compressed chunk is undefined.

        Returns:
            Bytes of the compressed chunk.
        """
        options = self.options
        # Blosc sorts bits at a quarter of the speed that wider registers allow. Blosc's other codecs are left
        # to it, and so is level 0, which stores the chunk as it is.
        ours = options.codec == "zstd" and options.shuffle == "bitshuffle" and options.level and numba_usable()
        size = self._encode_planes(items.reshape(-1), out) if ours else 0
        if not size:
            data = self.blosc.encode(items)
            size = len(data)
            out[:size] = np.frombuffer(data, np.uint8)
        return size

    def _encode_planes(self, items: NDArray[Any], out: NDArray[np.uint8]) -> int:
        """Have blosc compress planes of bits, and its header say that it has made them; 0: it cannot be done."""
        block = min(self.blocksize, items.nbytes)
        if block % items.itemsize:
            return 0
        planes = out[: items.nbytes]
        _write_planes(items, block // items.itemsize, planes)
        data = np.frombuffer(self._blosc("none").encode(planes.view(items.dtype)), np.uint8)
        if int.from_bytes(data[_BLOCKSIZE].tobytes(), "little") != block:
            return 0
        if data[_FLAGS] & _MEMCPYED:
            out[:BLOSC_OVERHEAD] = data[:BLOSC_OVERHEAD]
            out[BLOSC_OVERHEAD : len(data)] = items.view(np.uint8)
        else:
            out[: len(data)] = data
        out[_FLAGS] |= _BITSHUFFLED
        return len(data)

    def _blosc(self, shuffle: Shuffle) -> Any:
        return Blosc(self.options.codec, self.options.level, _SHUFFLES[shuffle], self.blocksize)


def _write_planes(items: NDArray[Any], block: int, planes: NDArray[np.uint8]) -> None:
    """Sort the bits of each block of so many items as blosc does, which leaves a block alone that is no multiple of 8."""
    from opticstream.imaging.omezarr.bit_planes import bit_planes_kernel

    for first in range(0, len(items), block):
        count = min(block, len(items) - first)
        if count % 8:
            part = slice(first * items.itemsize, (first + count) * items.itemsize)
            planes[part] = items[first : first + count].view(np.uint8)
        else:
            bit_planes_kernel(items, first, count, planes)
