"""The tracker in NumPy: many crops at once, no compiler, the same answers as the kernel.

The two differ by the order of sums only: x and y by less than 1e-8 px, z by less than 1e-5 nm, but for a pixel whose
radius lies within rounding of a bin's edge. ``docs/engineering/bead-tracking.md`` has the formulae.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.tracking.flags import TrackFlag
from opticstream.scope.tracking.plan import Plan
from opticstream.scope.tracking.zlut import ZLut

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def track_crops(crops: NDArray[Any], plan: Plan, zlut: ZLut | None) -> tuple[Floats, NDArray[np.uint16], Floats]:
    """Track crops (n, roi, roi); return positions (n, 3), flags (n,) and profiles (n, bins)."""
    positions = np.full((len(crops), 3), np.nan)
    profiles = np.full((len(crops), plan.bins), np.nan)
    if not len(crops):
        return positions, np.zeros(0, np.uint16), profiles
    flags = _refusals(crops, plan)
    live = np.flatnonzero(flags == 0)
    if len(live):
        images = crops[live].astype(np.float64)
        x, y, flags[live] = _centers(images, plan)
        kept = flags[live] == 0
        live, images, x, y = live[kept], images[kept], x[kept], y[kept]
        if not len(live):
            return positions, flags, profiles
        positions[live, 0], positions[live, 1] = x, y
        profiles[live] = (_linear_profiles if plan.linear else _rounded_profiles)(images, x, y, plan)
    if zlut is not None and len(live):
        positions[live, 2], flags[live] = _look_up(profiles[live], zlut, plan.z_half)
    return positions, flags, profiles


def _refusals(crops: NDArray[Any], plan: Plan) -> NDArray[np.uint16]:
    low = crops.min(axis=(1, 2)).astype(np.int64)
    high = crops.max(axis=(1, 2)).astype(np.int64)
    level = np.where(low >= plan.full_scale, TrackFlag.SATURATED, TrackFlag.FLAT)
    level = np.where(high <= plan.min_contrast, TrackFlag.DARK, level)
    return np.where(high - low > plan.min_contrast, 0, level).astype(np.uint16)


def _centers(images: Floats, plan: Plan) -> tuple[Floats, Floats, NDArray[np.uint16]]:
    number, roi = images.shape[:2]
    why = np.zeros(number, np.uint16)
    x, y = _centers_of_mass(images, plan.background)

    def leave(lost: NDArray[np.bool_], flag: TrackFlag) -> None:
        why[lost & (why == 0)] = flag
        x[lost] = y[lost] = (roi - 1) / 2  # goes on, to no effect

    leave(~(_inside(x, 0, roi) & _inside(y, 0, roi)), TrackFlag.LEFT_CROP)
    rows, columns = _mean_rows(images, y, 0), _mean_rows(images.transpose(0, 2, 1), x, 0)
    x = _auto_convolve(rows, x)[0].astype(np.float64) / 2
    y = _auto_convolve(columns, y)[0].astype(np.float64) / 2
    for _ in range(plan.iterations):
        leave(~(_inside(x, plan.lines, roi) & _inside(y, plan.lines, roi)), TrackFlag.LEFT_CROP)
        if plan.lines * 2 + 1 > roi:
            break  # no line is whole
        rows, columns = _mean_rows(images, y, plan.lines), _mean_rows(images.transpose(0, 2, 1), x, plan.lines)
        x, y = _refined(rows, x, plan.half), _refined(columns, y, plan.half)
        leave(np.isnan(x) | np.isnan(y), TrackFlag.NOT_CONVERGED)
    return x, y, why


def _centers_of_mass(images: Floats, background: int) -> tuple[Floats, Floats]:
    if background == 2:
        images = images - np.median(images, axis=(1, 2), keepdims=True)
    elif background == 1:
        images = images - images.mean(axis=(1, 2), keepdims=True)
    weights = np.abs(images)
    along = np.arange(images.shape[1])
    total = weights.sum(axis=(1, 2))
    return weights.sum(axis=1) @ along / total, weights.sum(axis=2) @ along / total


def _inside(center: Floats, half: int, roi: int) -> NDArray[np.bool_]:
    at = np.rint(center)
    return (at >= half) & (at < roi - half)  # NaN is not


def _mean_rows(images: Floats, center: Floats, half: int) -> Floats:
    """Mean of the rows about each centre, minus its own mean; (n, roi)."""
    at = np.rint(center).astype(np.int64)
    which = at[:, None] + np.arange(-half, half + 1)
    lines = images[np.arange(len(images))[:, None], which].mean(axis=1)
    centered: Floats = lines - lines.mean(axis=1, keepdims=True)
    return centered


def _auto_convolve(lines: Floats, center: Floats) -> tuple[Ints, Floats]:
    """Convolve each windowed line with itself; return where its middle part is largest, and all of it."""
    roi = lines.shape[1]
    window = np.exp(-18.0 / (roi * roi) * (np.arange(roi) - center[:, None]) ** 2)
    spectrum = np.fft.rfft(lines * window, 2 * roi, axis=1)
    full = np.fft.irfft(spectrum * spectrum, 2 * roi, axis=1)
    first = (roi - 1) // 2
    return full[:, first : first + roi].argmax(axis=1) + first, full


def _refined(lines: Floats, center: Floats, half: int) -> Floats:
    roi = lines.shape[1]
    peak, full = _auto_convolve(lines, center)
    first = (roi - 1) // 2
    whole = (peak - first > half) & (peak - first < roi - 1 - half)
    return 0.5 * (peak + _vertices(full, peak, half, whole))


def _vertices(values: Floats, peak: Ints, half: int, whole: NDArray[np.bool_]) -> Floats:
    """Offset of the vertex of a weighted parabola about each peak; NaN where there is none."""
    along = np.arange(-half, half + 1)
    if len(along) > values.shape[1]:
        return np.full(len(values), np.nan)
    near = values[np.arange(len(values))[:, None], np.where(whole, peak, half)[:, None] + along]
    near = near - near[:, half : half + 1]
    weight = (1.0 - np.abs(along) / (half + 1.0)) ** 2
    square = along**2.0
    s0, s2, s4 = weight.sum(), weight @ square, weight @ square**2
    bend = (s0 * (near @ (weight * square)) - s2 * (near @ weight)) / (s0 * s4 - s2 * s2)
    peaked = whole & (bend < 0)
    offset = -(near @ (weight * along)) / s2 / (2.0 * np.where(peaked, bend, 1.0))
    found: Floats = np.where(peaked & (np.abs(offset) <= half), offset, np.nan)
    return found


def _radii(images: Floats, x: Floats, y: Floats, oversample: int) -> Floats:
    along = np.arange(images.shape[1])
    dx, dy = along - x[:, None], along - y[:, None]
    radii: Floats = np.sqrt((dx * dx)[:, None, :] + (dy * dy)[:, :, None]) * oversample
    return radii


def _bin_sums(index: Ints, weights: Floats, bins: int) -> Floats:
    """Sum ``weights`` (n, …) by bin, for each of the n; bins beyond the last are lost."""
    number = len(index)
    flat = np.minimum(index.reshape(number, -1), bins) + np.arange(number)[:, None] * (bins + 1)
    sums: Floats = np.bincount(flat.ravel(), weights.ravel(), number * (bins + 1)).astype(np.float64)
    return sums.reshape(number, bins + 1)[:, :bins]


def _rounded_profiles(images: Floats, x: Floats, y: Floats, plan: Plan) -> Floats:
    index = np.rint(_radii(images, x, y, plan.oversample)).astype(np.int64)
    counts = _bin_sums(index, np.ones_like(images), plan.bins)
    return _ratio(_bin_sums(index, images, plan.bins), counts)


def _linear_profiles(images: Floats, x: Floats, y: Floats, plan: Plan) -> Floats:
    radii = _radii(images, x, y, plan.oversample)
    index = radii.astype(np.int64)
    share = radii - index
    weights = _bin_sums(index, 1.0 - share, plan.bins) + _bin_sums(index + 1, share, plan.bins)
    sums = _bin_sums(index, (1.0 - share) * images, plan.bins) + _bin_sums(index + 1, share * images, plan.bins)
    return _ratio(sums, weights)


def _ratio(sums: Floats, weights: Floats) -> Floats:
    some = weights > 1e-6
    mean: Floats = np.where(some, sums / np.where(some, weights, 1.0), np.nan)
    return mean


def _look_up(profiles: Floats, zlut: ZLut, half: int) -> tuple[Floats, NDArray[np.uint16]]:
    rows = profiles[:, 1:]
    known = ~np.isnan(rows)
    mean = np.where(known, rows, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centered = np.where(known, rows - mean[:, None], 0.0)
    length = np.sqrt((centered * centered).sum(axis=1))
    seen = length > 0
    correlation = centered / np.where(seen, length, 1.0)[:, None] @ zlut.unit_planes
    best = correlation.argmax(axis=1)
    planes = len(zlut.z_nm)
    whole = (best > half) & (best < planes - 1 - half)
    z: Floats = np.full(len(profiles), np.nan)
    if planes > 2 * half:
        place = best + _vertices(correlation, best, half, whole)
        found = seen & whole & ~np.isnan(place)
        z[found] = np.interp(place[found], np.arange(planes), zlut.z_nm)
    flags = np.where(np.isnan(z), TrackFlag.NO_Z, 0)
    return z, np.where(seen & ~whole, TrackFlag.OUTSIDE_ZLUT, flags).astype(np.uint16)
