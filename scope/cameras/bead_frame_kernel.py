"""Beads and shot noise of a simulated frame, in one pass each.

Imported only when a kernel is wanted: numba takes a second to import. ``bead_frame.py`` says the same in NumPy.
"""

import math
from typing import Any

import numpy as np
from numba import njit, types

_LEVEL = types.Array(types.float32, 2, "C")
_LINE = types.Array(types.float32, 1, "C")
_PIXELS = types.Array(types.uint8, 2, "C")

_FEW = 40.0
"""Photoelectrons below which a Poisson number is drawn exactly."""


@njit(types.void(_LEVEL, types.float64, types.float64, types.float64, types.float64, _LINE), nogil=True, cache=True)
def add_bead(level: Any, x: float, y: float, reach: float, per_px: float, line: Any) -> None:
    """Add a bead at (x, y) px: ``line`` is what it adds at distances of 0, 1, 2 … / ``per_px`` px."""
    height, width = level.shape
    last = len(line) - 2
    for i in range(max(0, math.ceil(y - reach)), min(height, math.floor(y + reach) + 1)):
        dy = i - y
        half = math.sqrt(reach * reach - dy * dy)
        row = level[i]
        for j in range(max(0, math.ceil(x - half)), min(width, math.floor(x + half) + 1)):
            dx = j - x
            place = math.sqrt(dx * dx + dy * dy) * per_px
            k = min(int(place), last)
            row[j] += line[k] + np.float32(place - k) * (line[k + 1] - line[k])


@njit(nogil=True, inline="always")
def _mix(counter: Any) -> Any:
    """Turn a counter into 64 random bits: the output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    z = (counter ^ (counter >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True)
def _few_photons(mean: float, bits: Any) -> float:
    """Poisson number by inversion of its distribution; ``bits`` is the uniform random number."""
    left = (np.float64(bits >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)
    number, share = 0.0, math.exp(-mean)
    while left > share and number < 400.0:
        left -= share
        number += 1.0
        share *= mean / number
    return number


@njit(types.void(_LEVEL, types.float64, types.uint64, _LINE, _PIXELS), nogil=True, cache=True)
def expose_frame(level: Any, gain: float, seed: Any, normal: Any, out: Any) -> None:
    """Fill ``out`` with grey levels of ``level``, 0 to 1, at ``gain`` photoelectrons of full scale.

    Above 40 photoelectrons N = round(m + √m ξ + (ξ² - 1) / 6), the Cornish-Fisher expansion of Poisson's
    distribution up to its skewness; ``normal`` has 65,536 quantiles of ξ.
    """
    step = np.uint64(0x9E3779B97F4A7C15)
    counter = _mix(np.uint64(seed) + step)
    scale = np.float32(255.0 / gain)
    full = np.float32(gain)
    sixth, half, few = np.float32(1.0 / 6.0), np.float32(0.5), np.float32(_FEW)
    for i in range(level.shape[0]):
        row, pixels = level[i], out[i]
        bits = np.uint64(0)
        for j in range(level.shape[1]):
            if j & 3 == 0:
                counter += step
                bits = _mix(counter)
            mean = min(max(row[j], np.float32(0.0)), np.float32(1.0)) * full
            if mean >= few:
                draw = normal[np.int64(bits & np.uint64(0xFFFF))]
                photons = math.floor(mean + np.sqrt(mean) * draw + (draw * draw - np.float32(1.0)) * sixth + half)
            else:
                photons = np.float32(_few_photons(mean, _mix(counter ^ (np.uint64(j) << np.uint64(32)))))
            bits >>= np.uint64(16)
            pixels[j] = np.uint8(min(photons, full) * scale + half)
