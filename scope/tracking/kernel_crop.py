"""Compiled: taking a crop out of a frame, refusing what shows nothing, and its median.

Numba's cache looks at ``kernel.py`` only: who changes this file touches that one.
"""

from typing import Any

import numpy as np
from numba import njit

LANES = 4
"""Tables of a histogram, so that equal neighbours do not wait for each other."""


@njit(nogil=True)
def load(frames: Any, frame: int, y0: int, x0: int, image: Any) -> Any:
    """Copy a crop, as every later stage reads it; return its darkest and brightest grey level."""
    roi = image.shape[0]
    low, high = np.int32(2**30), np.int32(-1)
    for i in range(roi):
        source = frames[frame, y0 + i, x0 : x0 + roi]
        target = image[i]
        for j in range(roi):
            value = np.int32(source[j])
            target[j] = value
            low = min(low, value)
            high = max(high, value)
    return low, high


@njit(nogil=True)
def _rank(counts: Any, rank: int) -> Any:
    """Return the bucket that holds the element of this rank, and its rank within."""
    for bucket in range(256):
        count = counts[bucket] + counts[256 + bucket] + counts[512 + bucket] + counts[768 + bucket]
        if rank < count:
            return bucket, rank
        rank -= count
    return 255, 0


@njit(nogil=True)
def _nth(flat: Any, rank: int, high: int, counts: Any) -> int:
    """Return the element of this rank: by the upper byte, then by the lower one of those that share it."""
    upper = 0
    if high > 255:
        counts[:] = 0
        for k in range(len(flat)):
            counts[(k & 3) * 256 + (flat[k] >> 8)] += 1
        upper, rank = _rank(counts, rank)
        counts[:] = 0
        for k in range(len(flat)):
            if flat[k] >> 8 == upper:
                counts[flat[k] & 255] += 1
    else:
        counts[:] = 0
        whole = len(flat) // LANES * LANES
        for k in range(0, whole, LANES):
            counts[flat[k]] += 1
            counts[256 + flat[k + 1]] += 1
            counts[512 + flat[k + 2]] += 1
            counts[768 + flat[k + 3]] += 1
        for k in range(whole, len(flat)):
            counts[flat[k]] += 1
    lower, rank = _rank(counts, rank)
    return int(upper * 256 + lower)


@njit(nogil=True)
def median(flat: Any, high: int, counts: Any) -> Any:
    """Return the median grey level; ``counts`` (1024) is scratch space."""
    size = len(flat)
    lower = _nth(flat, (size - 1) // 2, high, counts)
    if size % 2:
        return float(lower)
    if high <= 255:  # the counts are those of all pixels: the next one is found in them
        return 0.5 * (lower + _rank(counts, size // 2)[0])
    return 0.5 * (lower + _nth(flat, size // 2, high, counts))


@njit(nogil=True)
def refusal(low: int, high: int, min_contrast: int, full_scale: int) -> int:
    """Return the flag of a crop that shows nothing, 0 for any other."""
    if high - low > min_contrast:
        return 0
    if high <= min_contrast:
        return 2
    return 4 if low >= full_scale else 8
