"""Chunks are compressed byte for byte as numcodecs does, whoever sorts the bits."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from opticstream.core.lsm_config import Codec, Shuffle, ZarrOptions
from opticstream.imaging.kernel_cache import numba_usable
from opticstream.imaging.omezarr.codec import BLOSC_OVERHEAD, ChunkCodec

MEMCPYED, BITSHUFFLED = 2, 4

needs_kernels = pytest.mark.skipif(not numba_usable(), reason="needs numba")


def voxels(count: int, dtype: str, mean: float, seed: int = 0) -> NDArray[Any]:
    """Return what a camera sees at so many counts: no value is certain, high bits repeat."""
    return np.random.default_rng(seed).poisson(mean, count).astype(dtype)


def check(codec: ChunkCodec, items: NDArray[Any]) -> bytes:
    expected = codec.blosc.encode(items)
    out = np.full(items.nbytes + BLOSC_OVERHEAD + 3, 0xA5, np.uint8)
    size = codec.encode_into(items, out)
    assert out[:size].tobytes() == expected
    assert (out[items.nbytes + BLOSC_OVERHEAD :] == 0xA5).all()
    assert codec.encode(items) == expected
    assert np.array_equal(np.frombuffer(Blosc().decode(expected), items.dtype), items.reshape(-1))
    return out[:size].tobytes()


@settings(deadline=None)  # the first one compiles
@given(
    count=st.integers(1, 6000),
    dtype=st.sampled_from(["uint16", "uint8"]),
    mean=st.sampled_from([0, 0.01, 5, 100, 20000]),
    block=st.integers(1, 5000),
    level=st.sampled_from([0, 1, 5]),
    seed=st.integers(0, 9),
)
@example(count=4096, dtype="uint16", mean=5, block=2048, level=1, seed=0)
@example(count=4096 + 8, dtype="uint16", mean=5, block=2048, level=1, seed=0)
@example(count=4096 + 7, dtype="uint16", mean=5, block=2048, level=1, seed=0)
@example(count=5000, dtype="uint8", mean=5, block=1000, level=1, seed=0)
@example(count=1500, dtype="uint16", mean=5, block=1001, level=1, seed=0)
def test_any_size_is_compressed_as_blosc_does(
    count: int, dtype: str, mean: float, block: int, level: int, seed: int
) -> None:
    """Blocks that end within a byte of a plane, that hold no whole number of items, and chunks that do not shrink."""
    check(ChunkCodec(ZarrOptions(level=level), block), voxels(count, dtype, mean, seed))


@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
def test_a_chunk_of_several_blocks(dtype: str) -> None:
    items = voxels(3 * 128**3 // 2, dtype, 100).reshape(-1, 128, 128)
    frame = check(ChunkCodec(ZarrOptions(), items.nbytes), items)
    assert frame[2] & (BITSHUFFLED | MEMCPYED) == BITSHUFFLED
    assert len(frame) < items.nbytes


def test_a_chunk_of_noise_is_stored() -> None:
    items = np.random.default_rng(1).integers(0, 1 << 16, 1 << 15, np.uint16)
    frame = check(ChunkCodec(ZarrOptions(), items.nbytes), items)
    assert frame[2] & MEMCPYED
    assert frame[BLOSC_OVERHEAD:] == items.tobytes()


@pytest.mark.parametrize("codec", ["zstd", "lz4", "lz4hc", "zlib", "blosclz"])
@pytest.mark.parametrize("shuffle", ["bitshuffle", "shuffle", "none"])
def test_every_codec(codec: Codec, shuffle: Shuffle) -> None:
    items = voxels(1 << 14, "uint16", 100)
    check(ChunkCodec(ZarrOptions(codec=codec, shuffle=shuffle), items.nbytes), items)


def test_without_kernels_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    items = voxels(1 << 14, "uint16", 100)
    codec = ChunkCodec(ZarrOptions(), items.nbytes)
    before = codec.encode(items)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert codec.encode(items) == before


@needs_kernels
@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
@pytest.mark.parametrize("count", [8, 56, 64, 72, 512, 4096, 4096 + 512 + 64 + 8, 3 * 4096])
def test_planes_are_the_bits_in_order(dtype: str, count: int) -> None:
    from opticstream.imaging.omezarr.bit_planes import bit_planes_kernel

    items = voxels(count + 24, dtype, 1000)
    size = items.itemsize
    out = np.full(items.nbytes, 0xA5, np.uint8)
    bit_planes_kernel(items, 16, count, out)
    bits = items[16 : 16 + count, None] >> np.arange(8 * size).astype(dtype) & 1
    expected = np.packbits(bits.astype(bool), axis=0, bitorder="little").T.reshape(-1)
    assert np.array_equal(out[16 * size : (16 + count) * size], expected)
    assert (out[: 16 * size] == 0xA5).all()
    assert (out[(16 + count) * size :] == 0xA5).all()
