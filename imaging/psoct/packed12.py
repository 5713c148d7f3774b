"""Two 12-bit samples in three bytes, in the two orders that camera standards define."""

import numpy as np
from numpy.typing import NDArray

from opticstream.core.scan_config import SpectralPacking

LARGEST = 4095
"""Largest 12-bit sample."""


def unpack12(packed: NDArray[np.uint8], packing: SpectralPacking) -> NDArray[np.uint16]:
    """Return the samples of packed bytes.

    Args:
        packed: bytes, a multiple of three.
        packing: ``mono12p`` (first byte: the low bits of the first sample; last: the high bits of the second; between
            them the rest, first sample low) or ``mono12packed`` (outer bytes: the high bits; between them the low ones).

    Source: EMVA, *GenICam Pixel Format Naming Convention*, formats Mono12p and Mono12Packed.
    """
    first, middle, last = (packed.reshape(-1, 3)[:, index].astype(np.uint16) for index in range(3))
    samples = np.empty((len(first), 2), np.uint16)
    if packing == "mono12p":
        samples[:, 0] = first | (middle & 15) << 8
        samples[:, 1] = middle >> 4 | last << 4
    else:
        samples[:, 0] = first << 4 | middle & 15
        samples[:, 1] = last << 4 | middle >> 4
    return samples.reshape(-1)


def pack12(samples: NDArray[np.uint16], packing: SpectralPacking) -> NDArray[np.uint8]:
    """Return samples of at most 4095, an even number of them, as packed bytes; what :func:`unpack12` undoes."""
    first, second = samples.reshape(-1, 2).T
    packed = np.empty((len(first), 3), np.uint16)
    if packing == "mono12p":
        packed[:, 0] = first & 255
        packed[:, 1] = first >> 8 | (second & 15) << 4
        packed[:, 2] = second >> 4
    else:
        packed[:, 0] = first >> 4
        packed[:, 1] = first & 15 | (second & 15) << 4
        packed[:, 2] = second >> 4
    return packed.astype(np.uint8).reshape(-1)
