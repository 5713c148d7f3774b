"""One fused pass over a complex tile: every sample is read once, and all products come from a block in the L2 cache.

The block is one B-line of 64 A-lines in the file's own order, so that nothing is transposed and the inner loops are
vectorised. Imported only when a tile is processed: numba takes a second to import.
"""

import math
from typing import Any

import numpy as np
from numba import njit, types

BLOCK = 64
_FAST = {"contract", "reassoc", "nsz", "arcp"}  # not nnan and ninf: broken samples must stay harmless

_LN2 = np.float32(math.log(2))
_DB = np.float32(10 / math.log(10))
_FLOOR = np.float32(1e-30)
_DEG = np.float32(180 / math.pi)


@njit(inline="always", fastmath=_FAST)
def _ln(value: Any) -> Any:
    """Natural logarithm of a positive float32 by exponent and the series of atanh; relative error below 1e-6."""
    bits = np.float32(value).view(np.int32)
    # Mantissa in [0.707, 1.414): the series then needs four terms.
    exponent = np.int32((bits - np.int32(0x3F3504F3)) >> 23)
    mantissa = np.int32(bits - (exponent << 23)).view(np.float32)
    s = (mantissa - np.float32(1)) / (mantissa + np.float32(1))
    q = s * s
    series = np.float32(1) + q * (np.float32(1 / 3) + q * (np.float32(1 / 5) + q * np.float32(1 / 7)))
    return np.float32(exponent) * _LN2 + np.float32(2) * s * series


@njit(inline="always", fastmath=_FAST)
def _atan_unit(a: Any) -> Any:
    """Arc tangent on [0, 1], radians: Abramowitz and Stegun, 4.4.49, error below 2e-8."""
    q = a * a
    p = np.float32(0.0028662257)
    p = p * q - np.float32(0.0161657367)
    p = p * q + np.float32(0.0429096138)
    p = p * q - np.float32(0.0752896400)
    p = p * q + np.float32(0.1065626393)
    p = p * q - np.float32(0.1420889944)
    p = p * q + np.float32(0.1999355085)
    p = p * q - np.float32(0.3333314528)
    return a + a * q * p


@njit(inline="always", fastmath=_FAST)
def _atan2_positive(y: Any, x: Any) -> Any:
    """Arc tangent of y/x for y, x >= 0, radians; 0 where both are 0."""
    high = y if y > x else x
    low = x if y > x else y
    angle = _atan_unit(low / (high if high > np.float32(1e-37) else np.float32(1)))
    return np.float32(math.pi / 2) - angle if y > x else angle


@njit(inline="always", fastmath=_FAST)
def _atan2(y: Any, x: Any) -> Any:
    """Arc tangent of y/x in (-π, π], radians."""
    angle = _atan2_positive(abs(y), abs(x))
    angle = np.float32(math.pi) - angle if x < np.float32(0) else angle
    return -angle if y < np.float32(0) else angle


@njit(inline="always", fastmath=_FAST)
def _finite(value: Any) -> Any:
    """The value, 0 where it is NaN or infinite."""
    return value if abs(value) < np.float32(1e18) else np.float32(0)


@njit(fastmath=_FAST, nogil=True)
def _power(re: Any, im: Any, out: Any) -> None:
    for i in range(len(out)):
        x, y = _finite(re[i]), _finite(im[i])
        out[i] = x * x + y * y


@njit(fastmath=_FAST, nogil=True)
def _cross_re(re1: Any, im1: Any, re2: Any, im2: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = _finite(re1[i]) * _finite(re2[i]) + _finite(im1[i]) * _finite(im2[i])


@njit(fastmath=_FAST, nogil=True)
def _cross_im(re1: Any, im1: Any, re2: Any, im2: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = _finite(im1[i]) * _finite(re2[i]) - _finite(re1[i]) * _finite(im2[i])


@njit(fastmath=_FAST, nogil=True)
def _level(power1: Any, power2: Any, out: Any) -> None:
    for i in range(len(out)):
        power = power1[i] + power2[i]
        power = power if power > _FLOOR else _FLOOR
        out[i] = _DB * _ln(power)


@njit(fastmath=_FAST, nogil=True)
def _retardance(power1: Any, power2: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = _DEG * _atan2_positive(np.sqrt(power1[i]), np.sqrt(power2[i]))


@njit(fastmath=_FAST, nogil=True)
def _turned(real: Any, imag: Any, power1: Any, power2: Any, by_re: Any, by_im: Any, none: Any, out: Any) -> None:
    """``real·by_re + imag·by_im`` over |J1|·|J2|; ``none`` where there is no signal."""
    for i in range(len(out)):
        size = np.sqrt(power1[i]) * np.sqrt(power2[i])
        value = (real[i] * by_re + imag[i] * by_im) / (size if size > _FLOOR else np.float32(1))
        out[i] = value if size > _FLOOR else none


@njit(fastmath=_FAST, nogil=True)
def _half_angle(sine: Any, cosine: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = np.float32(0.5) * _DEG * _atan2(sine[i], cosine[i])


@njit(fastmath=_FAST, nogil=True)
def _samples(
    raw: Any, y: int, x0: int, width: int, flip: bool, sign: Any, turn_re: Any, turn_im: Any, pad: int,
    dbi: Any, r3d: Any, o3d: Any, db: Any, ret: Any, cosine: Any, sine: Any, rows: Any,
) -> None:  # fmt: skip
    """Volumes of a block, and what the maps need of it: dB, retardance, cos 2θ and sin 2θ.

    One short loop per quantity: with a single target each, the compiler can prove (or check cheaply) that nothing
    overlaps, and vectorises all of them. The rows between them stay in the L1 cache.
    """
    nz = raw.shape[0]
    nx = raw.shape[2] // 4
    power1, power2 = rows[0, :width], rows[1, :width]
    real, imag = rows[2, :width], rows[3, :width]
    for z in range(nz):
        source = nz - 1 - z if flip else z
        re1 = raw[source, y, x0 : x0 + width]
        im1 = raw[source, y, nx + x0 : nx + x0 + width]
        re2 = raw[source, y, 2 * nx + x0 : 2 * nx + x0 + width]
        im2 = raw[source, y, 3 * nx + x0 : 3 * nx + x0 + width]
        _power(re1, im1, power1)
        _power(re2, im2, power2)
        # J1·conj(J2), whose argument is the phase difference; then turned by twice the offset.
        _cross_re(re1, im1, re2, im2, real)
        _cross_im(re1, im1, re2, im2, imag)
        row_db, row_r, row_c, row_s = db[pad + z, :width], ret[z, :width], cosine[z, :width], sine[z, :width]
        _level(power1, power2, row_db)
        _retardance(power1, power2, row_r)
        _turned(real, imag, power1, power2, turn_re, -sign * turn_im, turn_re, row_c)
        _turned(real, imag, power1, power2, turn_im, sign * turn_re, turn_im, row_s)
        _half_angle(row_s, row_c, o3d[z, y, x0 : x0 + width])
        dbi[z, y, x0 : x0 + width] = row_db
        r3d[z, y, x0 : x0 + width] = row_r


@njit(fastmath=_FAST, nogil=True)
def _surface(db: Any, nz: int, width: int, weights: Any, smooth: Any, best: Any, surface: Any) -> None:
    """Steepest rise of the smoothed profile of each A-line; ``db`` is mirrored at both ends first."""
    pad = len(weights) // 2
    for k in range(pad):
        low, high = k % (2 * nz), k % (2 * nz)
        db[pad - 1 - k] = db[pad + (low if low < nz else 2 * nz - 1 - low)]
        db[pad + nz + k] = db[pad + nz - 1 - (high if high < nz else 2 * nz - 1 - high)]
    for z in range(nz):
        row = smooth[z]
        for i in range(width):
            row[i] = np.float32(0)
        for k in range(len(weights)):
            weight = weights[k]
            line = db[z + k]
            for i in range(width):
                row[i] += weight * line[i]
    for i in range(width):
        best[i] = np.float32(-np.inf)
        surface[i] = 0
    for z in range(nz):
        below, above = min(z + 1, nz - 1), max(z - 1, 0)
        scale = np.float32(1) / np.float32(max(1, below - above))
        for i in range(width):
            slope = (smooth[below, i] - smooth[above, i]) * scale
            better = slope > best[i]
            best[i] = slope if better else best[i]
            surface[i] = z if better else surface[i]


@njit(fastmath=_FAST, nogil=True)
def _maps(
    y: int, x0: int, width: int, nz: int, pad: int, offset: int, depth: int, slope_unit: Any,
    surface: Any, db: Any, ret: Any, cosine: Any, sine: Any, maps: Any,
) -> None:  # fmt: skip
    """Enface maps of a block from the samples below each A-line's surface."""
    for i in range(width):
        first = surface[i] + offset
        last = min(first + depth, nz)
        count = last - first
        x = x0 + i
        maps[5, y, x] = surface[i]
        if count <= 0:
            for index in range(5):
                maps[index, y, x] = np.float32(np.nan)
            continue
        total_db = total_r = total_c = total_s = moment = 0.0
        peak = np.float32(-np.inf)
        middle = 0.5 * (count - 1)
        for k in range(count):
            z = first + k
            level, r = db[pad + z, i], ret[z, i]
            total_db += level
            peak = max(peak, level)
            total_r += r
            moment += (k - middle) * r
            total_c += cosine[z, i]
            total_s += sine[z, i]
        maps[0, y, x] = total_db / count
        maps[1, y, x] = peak
        maps[2, y, x] = total_r / count
        maps[3, y, x] = 0.5 * 180 / math.pi * math.atan2(total_s, total_c)
        spread = count * (count * count - 1.0) / 12  # sum of (k - middle)²
        maps[4, y, x] = moment / spread * slope_unit if count > 1 else np.nan


_F3 = types.Array(types.float32, 3, "C")
_RAW = types.Array(types.float32, 3, "C", readonly=True)
_F1 = types.Array(types.float32, 1, "C")


@njit(
    types.void(
        _RAW, types.int64, types.int64, types.boolean, types.float32, types.float32, types.float32, _F1,
        types.int64, types.int64, types.float64, _F3, _F3, _F3, _F3,
    ),
    fastmath=_FAST, nogil=True, cache=True,
)  # fmt: skip
def process_rows(
    raw: Any, y0: int, y1: int, flip: bool, sign: Any, turn_re: Any, turn_im: Any, weights: Any,
    offset: int, depth: int, slope_unit: float, dbi: Any, r3d: Any, o3d: Any, maps: Any,
) -> None:  # fmt: skip
    """Process B-lines ``y0`` to ``y1`` of a tile; shapes as in :func:`reference_rows`, ``maps`` (6, ny, nx)."""
    nz = raw.shape[0]
    nx = raw.shape[2] // 4
    pad = len(weights) // 2
    db = np.empty((nz + 2 * pad, BLOCK), np.float32)
    ret = np.empty((nz, BLOCK), np.float32)
    cosine = np.empty((nz, BLOCK), np.float32)
    sine = np.empty((nz, BLOCK), np.float32)
    smooth = np.empty((nz, BLOCK), np.float32)
    rows = np.empty((4, BLOCK), np.float32)
    best = np.empty(BLOCK, np.float32)
    surface = np.empty(BLOCK, np.int64)
    for y in range(y0, y1):
        for x0 in range(0, nx, BLOCK):
            width = min(BLOCK, nx - x0)
            _samples(
                raw, y, x0, width, flip, sign, turn_re, turn_im, pad, dbi, r3d, o3d, db, ret, cosine, sine, rows
            )  # fmt: skip
            _surface(db, nz, width, weights, smooth, best, surface)
            _maps(y, x0, width, nz, pad, offset, depth, slope_unit, surface, db, ret, cosine, sine, maps)
