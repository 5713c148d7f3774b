"""One fused pass over a bead's crop: read once, everything after that happens in the L1 cache.

Imported only when a kernel is wanted: numba takes a second to import. ``reference.py`` says the same in NumPy;
``docs/engineering/bead-tracking.md`` has the formulae.
"""

import math
from typing import Any

import numpy as np
from numba import njit, types

from opticstream.scope.tracking.kernel_crop import LANES, load, median, refusal

_FAST = {"contract", "reassoc", "nsz"}  # NaN stays NaN

_COUNT = 1 << 40  # pixels are counted above this bit, grey levels are summed below it


@njit(nogil=True, fastmath=_FAST)
def _center_of_mass(image: Any, background: float, columns: Any) -> Any:
    roi = image.shape[0]
    columns[:] = 0.0
    total = moment_y = 0.0
    for i in range(roi):
        row = image[i]
        line = 0.0
        for j in range(roi):
            weight = abs(row[j] - background)
            columns[j] += weight
            line += weight
        total += line
        moment_y += i * line
    moment_x = 0.0
    for j in range(roi):
        moment_x += j * columns[j]
    if total <= 0.0:
        return np.nan, np.nan
    return moment_x / total, moment_y / total


@njit(nogil=True, fastmath=_FAST)
def _mean_row(image: Any, center: int, half: int, line: Any) -> None:
    """Mean of the rows about ``center``, minus its own mean."""
    roi = image.shape[0]
    line[:] = 0.0
    for i in range(center - half, center + half + 1):
        row = image[i]
        for j in range(roi):
            line[j] += row[j]
    total = 0.0
    for j in range(roi):
        total += line[j]
    scale, mean = 1.0 / (2 * half + 1), total / roi
    for j in range(roi):
        line[j] = (line[j] - mean) * scale


@njit(nogil=True, fastmath=_FAST)
def _mean_column(image: Any, center: int, half: int, line: Any) -> None:
    """Mean of the columns about ``center``, minus its own mean."""
    roi = image.shape[0]
    total = 0.0
    for i in range(roi):
        value = 0
        for j in range(center - half, center + half + 1):
            value += image[i, j]
        line[i] = value
        total += value
    scale, mean = 1.0 / (2 * half + 1), total / roi
    for i in range(roi):
        line[i] = (line[i] - mean) * scale


@njit(nogil=True, fastmath=_FAST)
def _auto_convolve(line: Any, center: float, windowed: Any, full: Any) -> int:
    """Convolve the windowed line with itself into ``full``; return where its middle part is largest.

    The window is a Gaussian of sigma = edge / 6 about ``center``, by the recurrence g(j+1) = g(j)·r(j),
    r(j+1) = r(j)·q: two multiplications instead of an exponential, relative error below 1e-13.
    """
    roi = len(line)
    slope = 18.0 / (roi * roi)  # 1 / (2·sigma²)
    gauss = math.exp(-slope * center * center)
    ratio = math.exp(slope * (2.0 * center - 1.0))
    step = math.exp(-2.0 * slope)
    for j in range(roi):
        windowed[j] = line[j] * gauss
        gauss *= ratio
        ratio *= step
    first = (roi - 1) // 2
    last = first + roi
    full[:] = 0.0
    for j in range(roi):
        value = windowed[j]
        if first <= 2 * j < last:
            full[2 * j] += value * value
        start, stop = max(2 * j + 1, first), min(j + roi, last)
        twice = 2.0 * value
        # Each pair once: the convolution of a line with itself is symmetric.
        for m in range(start, stop):
            full[m] += twice * windowed[m - j]
    best = first
    for m in range(first + 1, last):
        if full[m] > full[best]:
            best = m
    return best


@njit(nogil=True)
def _vertex(values: Any, peak: int, half: int) -> float:
    """Offset of the vertex of a parabola through the points about a peak, weighted (1 - |t|/(half+1))²; NaN: none."""
    s0 = s2 = s4 = m0 = m1 = m2 = 0.0
    for t in range(-half, half + 1):
        weight = 1.0 - abs(t) / (half + 1.0)
        weight *= weight
        square = float(t * t)
        value = values[peak + t] - values[peak]
        s0 += weight
        s2 += weight * square
        s4 += weight * square * square
        m0 += weight * value
        m1 += weight * t * value
        m2 += weight * square * value
    bend = (s0 * m2 - s2 * m0) / (s0 * s4 - s2 * s2)
    if not bend < 0.0:
        return np.nan
    offset = -m1 / s2 / (2.0 * bend)
    return offset if abs(offset) <= half else np.nan


@njit(nogil=True)
def _refined(line: Any, center: float, half: int, windowed: Any, full: Any) -> float:
    """Return the sub-pixel centre of a symmetric line: half of where its auto-convolution peaks."""
    roi = len(line)
    peak = _auto_convolve(line, center, windowed, full)
    first = (roi - 1) // 2
    if peak - first <= half or peak - first >= roi - 1 - half:
        return np.nan
    return 0.5 * (peak + _vertex(full, peak, half))


@njit(nogil=True, fastmath=_FAST)
def _radii(x: float, dy: float, start: int, stop: int, oversample: int, radii: Any) -> None:
    for j in range(start, stop):
        dx = j - x
        radii[j] = math.sqrt(dx * dx + dy * dy) * oversample


@njit(nogil=True)
def _reach(limit: float, x: float, dy: float, roi: int) -> Any:
    """Return the pixels of a row that lie within ``limit`` pixels of the centre, and at most a few more."""
    half = limit * limit - dy * dy
    if half < 0.0:
        return 0, 0
    half = math.sqrt(half) + 1e-6
    return max(0, math.ceil(x - half)), min(roi, math.floor(x + half) + 1)


@njit(nogil=True)
def _rounded_profile(
    image: Any, x: float, y: float, oversample: int, packed: Any, radii: Any, index: Any, profile: Any
) -> None:
    """Mean grey level of the pixels whose radius rounds to each bin."""
    roi, bins = image.shape[0], len(profile)
    size = len(packed) // LANES
    packed[:] = 0
    for i in range(roi):
        dy = i - y
        start, stop = _reach((bins - 0.5) / oversample, x, dy, roi)
        _radii(x, dy, start, stop, oversample, radii)
        for j in range(start, stop):
            index[j] = np.int32(np.rint(radii[j]))
        row = image[i]
        j = start
        while j + 3 < stop:
            packed[index[j]] += _COUNT + row[j]
            packed[size + index[j + 1]] += _COUNT + row[j + 1]
            packed[2 * size + index[j + 2]] += _COUNT + row[j + 2]
            packed[3 * size + index[j + 3]] += _COUNT + row[j + 3]
            j += 4
        while j < stop:
            packed[index[j]] += _COUNT + row[j]
            j += 1
    for k in range(bins):
        both = packed[k] + packed[size + k] + packed[2 * size + k] + packed[3 * size + k]
        count = both >> 40
        profile[k] = (both & (_COUNT - 1)) / count if count else np.nan


@njit(nogil=True)
def _linear_profile(
    image: Any, x: float, y: float, oversample: int, packed: Any, radii: Any, shares: Any, profile: Any
) -> None:
    """Mean grey level of each bin, where a pixel is shared between the two bins next to its radius."""
    roi, bins = image.shape[0], len(profile)
    size = len(packed) // LANES
    packed[:] = 0
    shares[:] = 0.0
    for i in range(roi):
        dy = i - y
        start, stop = _reach(bins / oversample, x, dy, roi)
        _radii(x, dy, start, stop, oversample, radii)
        row = image[i]
        for j in range(start, stop):
            k = int(radii[j])
            share = radii[j] - k
            lane = j & 3
            packed[lane * size + k] += _COUNT + row[j]
            shares[lane, k, 0] += share
            shares[lane, k, 1] += share * row[j]
    passed_weight = passed_sum = 0.0  # what the bin before gives to this one
    for k in range(bins):
        both = packed[k] + packed[size + k] + packed[2 * size + k] + packed[3 * size + k]
        weight = shares[0, k, 0] + shares[1, k, 0] + shares[2, k, 0] + shares[3, k, 0]
        total = shares[0, k, 1] + shares[1, k, 1] + shares[2, k, 1] + shares[3, k, 1]
        kept = (both >> 40) - weight + passed_weight
        profile[k] = ((both & (_COUNT - 1)) - total + passed_sum) / kept if kept > 1e-6 else np.nan
        passed_weight, passed_sum = weight, total


@njit(nogil=True, fastmath=_FAST)
def _correlate(centered: Any, unit_planes: Any, scale: float, correlation: Any) -> None:
    correlation[:] = 0.0
    for k in range(len(centered)):
        value = centered[k] * scale
        row = unit_planes[k]
        for p in range(len(correlation)):
            correlation[p] += value * row[p]


@njit(nogil=True)
def _look_up(profile: Any, unit_planes: Any, z_nm: Any, half: int, centered: Any, correlation: Any) -> Any:
    """Return z in nm and a flag: Pearson's correlation with every plane, its peak by a parabola.

    The innermost bin is left out: it holds a pixel or none. Empty bins count neither here nor in the mean.
    """
    planes = len(z_nm)
    total, number = 0.0, 0
    for k in range(1, len(profile)):
        if not math.isnan(profile[k]):
            total += profile[k]
            number += 1
    if number == 0:
        return np.nan, 128
    mean, norm = total / number, 0.0
    for k in range(1, len(profile)):
        value = 0.0 if math.isnan(profile[k]) else profile[k] - mean
        centered[k - 1] = value
        norm += value * value
    if not norm > 0.0:
        return np.nan, 128
    _correlate(centered, unit_planes, 1.0 / math.sqrt(norm), correlation)
    best = 0
    for p in range(1, planes):
        if correlation[p] > correlation[best]:
            best = p
    if best <= half or best >= planes - 1 - half:
        return np.nan, 64
    place = best + _vertex(correlation, best, half)
    if math.isnan(place):
        return np.nan, 128
    below = min(int(place), planes - 2)
    return z_nm[below] + (place - below) * (z_nm[below + 1] - z_nm[below]), 0


@njit(nogil=True)
def _inside(center: float, half: int, roi: int) -> bool:
    return bool(half <= np.rint(center) < roi - half)  # NaN is not


@njit(nogil=True)
def _center(image: Any, background: float, iterations: int, lines: int, half: int, work: Any) -> Any:
    """Return x, y in px and a flag."""
    roi = image.shape[0]
    row, column, windowed, full = work[0, :roi], work[1, :roi], work[2, :roi], work[3]
    x, y = _center_of_mass(image, background, row)
    if not (_inside(x, 0, roi) and _inside(y, 0, roi)):
        return np.nan, np.nan, 16
    _mean_row(image, int(np.rint(y)), 0, row)
    _mean_column(image, int(np.rint(x)), 0, column)
    x, y = 0.5 * _auto_convolve(row, x, windowed, full), 0.5 * _auto_convolve(column, y, windowed, full)
    at_x = at_y = -1
    for _ in range(iterations):
        if not (_inside(x, lines, roi) and _inside(y, lines, roi)):
            return np.nan, np.nan, 16
        # Most rounds meet the same lines again.
        if int(np.rint(y)) != at_y:
            at_y = int(np.rint(y))
            _mean_row(image, at_y, lines, row)
        if int(np.rint(x)) != at_x:
            at_x = int(np.rint(x))
            _mean_column(image, at_x, lines, column)
        x, y = _refined(row, x, half, windowed, full), _refined(column, y, half, windowed, full)
        if math.isnan(x) or math.isnan(y):
            return np.nan, np.nan, 32
    return x, y, 0


_JOBS = types.Array(types.int64, 2, "C", readonly=True)
_TABLE = types.Array(types.float64, 2, "C", readonly=True)
_LINE = types.Array(types.float64, 1, "C", readonly=True)
_FOUND = types.Array(types.float64, 2, "C")
_FLAGS = types.Array(types.uint16, 1, "C")


def _signature(pixel: Any) -> Any:
    frames = types.Array(pixel, 3, "C", readonly=True)
    sizes = (types.int64,) * 9
    return types.void(
        frames, _JOBS, types.int64, types.int64, *sizes, types.boolean, _TABLE, _LINE, _FOUND, _FLAGS, _FOUND
    )


@njit([_signature(types.uint8), _signature(types.uint16)], nogil=True, cache=True)
def track_rois(
    frames: Any, jobs: Any, begin: int, end: int, roi: int, background: int, iterations: int, lines: int, half: int,
    oversample: int, z_half: int, min_contrast: int, full_scale: int, linear: bool, unit_planes: Any, z_nm: Any,
    positions: Any, flags: Any, profiles: Any,
) -> None:  # fmt: skip
    """Track ``jobs`` ``begin`` to ``end``: rows of (frame, y0, x0); see :class:`~opticstream.scope.tracking.Tracker`.

    ``background`` is 0 none, 1 mean, 2 median. ``positions`` (jobs, 3) takes x and y in px within the crop and z in
    nm, ``profiles`` (jobs, bins) the radial profiles. ``unit_planes`` (bins - 1, planes) is centred and normalised;
    without planes z is NaN.
    """
    bins = profiles.shape[1]
    image = np.empty((roi, roi), np.int32)
    counts = np.empty(1024, np.int32)
    work = np.empty((4, 2 * roi), np.float64)
    packed = np.empty(LANES * (bins + 3), np.int64)
    shares = np.empty((LANES, bins + 3, 2), np.float64)
    radii = np.empty(roi, np.float64)
    index = np.empty(roi, np.int32)
    centered = np.empty(max(bins - 1, 0), np.float64)
    correlation = np.empty(len(z_nm), np.float64)
    for job in range(begin, end):
        frame, y0, x0 = jobs[job, 0], jobs[job, 1], jobs[job, 2]
        positions[job] = np.nan
        profiles[job] = np.nan
        if y0 < 0 or x0 < 0 or y0 + roi > frames.shape[1] or x0 + roi > frames.shape[2]:
            flags[job] = 1
            continue
        low, high = load(frames, frame, y0, x0, image)
        flags[job] = refusal(low, high, min_contrast, full_scale)
        if flags[job]:
            continue
        flat = image.reshape(roi * roi)
        level = 0.0
        if background == 2:
            level = median(flat, high, counts)
        elif background == 1:
            total = 0
            for k in range(len(flat)):
                total += flat[k]
            level = total / len(flat)
        x, y, flag = _center(image, level, iterations, lines, half, work)
        flags[job] = flag
        if flag:
            continue
        positions[job, 0], positions[job, 1] = x, y
        if linear:
            _linear_profile(image, x, y, oversample, packed, radii, shares, profiles[job])
        else:
            _rounded_profile(image, x, y, oversample, packed, radii, index, profiles[job])
        if len(z_nm):
            positions[job, 2], flags[job] = _look_up(profiles[job], unit_planes, z_nm, z_half, centered, correlation)
