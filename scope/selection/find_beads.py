"""Beads found without being shown one."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.selection.frame import checked_frame

Complexes = NDArray[np.complex64]
Singles = NDArray[np.float32]

_SMOOTHING_PX = 1.0
_LEAST_SCORE = 0.5
_LEAST_SIGNAL = 25.0
"""Standard deviations of noise."""
_LEAST_SHARE = 0.002
"""Of the strongest signal in the frame; it grows with the square of the contrast."""
_QUIET_SHARE = 0.2
_REFINEMENTS = 3
_STRIPE = 256


class FoundBead(NamedTuple):
    """Where a bead was found."""

    x: float
    """Along a row, px; 0 is the middle of the first pixel."""
    y: float
    """Along a column, px."""
    score: float
    """How much of the grey levels' change around it is towards or away from it, from all sides; 1 at most."""


def find_beads(image: NDArray[Any], roi: int) -> list[FoundBead]:
    """Find the beads of a frame by the symmetry of their rings, in focus or out of it, dark or bright.

    With the gradient g as a complex number, the sum over a region of |g|² cos 2(angle of g - direction to the middle)
    is the energy of radial change minus that of tangential change; noise adds nothing to it on average. The modulus
    of the sum of g² is what changes along one direction only, as an edge or the rim of a neighbour's rings does, and
    that of the sum of |g|² times the unit vector from the middle is what lies on one side. The score is the first
    minus the larger of the others, over the whole energy. All sums, weighed by 1/distance so that a ring counts
    whatever its radius, are correlations by FFT. The middle is then the point nearest to all lines along gradients
    (Parthasarathy, *Nature Methods* 9, 724, 2012). Of peaks within half a region the best is kept, so that a double
    counts once.

    Args:
        image: grey frame (height, width), of any type.
        roi: edge of a region, px; regions around the beads lie within the frame.

    Returns:
        The beads, the best first; none in a frame that is dark, saturated or only noise.

    Raises:
        BadValue: (a ValueError) the frame is no grey image, or smaller than a region.
    """
    frame = checked_frame(image, roi)
    gradient = _gradient(frame)
    energy = gradient.real**2 + gradient.imag**2
    noise = _noise_energy(energy, frame)
    if not energy.any():
        return []
    score, signal = _striped_maps(gradient, energy, noise, roi)
    beads: list[FoundBead] = []
    for x, y, value in _peaks(score, signal, roi):
        place = _refined(gradient, energy, x, y, roi)
        if place is None or not all(_inside(at, size, roi) for at, size in zip(place, frame.shape[::-1], strict=True)):
            continue
        if all(np.hypot(place[0] - b.x, place[1] - b.y) > roi / 2 for b in beads):
            beads.append(FoundBead(*place, value))
    return beads


def _inside(at: float, size: int, roi: int) -> bool:
    """Say whether a region around a place, by whole pixels, lies within the frame along one axis."""
    return -0.5 <= at - (roi - 1) / 2 < size - roi + 0.5


def _gradient(frame: NDArray[Any]) -> Complexes:
    from scipy.ndimage import gaussian_filter, median_filter  # scipy is slow to import, and only a search needs it

    # A hot pixel and a single photon are round too, but no bead is as small as one pixel.
    levels = median_filter(frame, 3, mode="nearest").astype(np.float32)
    levels -= levels.mean()
    # Derivatives of a Gaussian; what lies beyond the frame is taken as its edge, which has no gradient across.
    along, down = (gaussian_filter(levels, _SMOOTHING_PX, order=order, mode="nearest") for order in ((0, 1), (1, 0)))
    gradient: Complexes = (along + 1j * down).astype(np.complex64)
    return gradient


def _noise_energy(energy: Singles, frame: NDArray[Any]) -> float:
    """Return the mean of |g|² where there is noise only, no less than what rounding to grey levels makes.

    |g|² of noise is distributed exponentially; a low quantile belongs to noise even if rings cover most of a frame.
    """
    quiet = float(np.quantile(energy, _QUIET_SHARE)) / -math.log1p(-_QUIET_SHARE)
    # A derivative of a Gaussian with a deviation of 1 px passes 1 / (8 π) of the variance on each axis; rounding makes 1/12.
    step = 1.0 if frame.dtype.kind in "ui" else 1e-6 * float(np.ptp(frame))
    return max(quiet, float(2 * step * step / 12 / (8 * np.pi)))


def _striped_maps(gradient: Complexes, energy: Singles, noise: float, roi: int) -> tuple[Singles, Singles]:
    """Return what :func:`_maps` returns, computed in stripes of rows, which bounds the memory."""
    score, signal = np.empty_like(energy), np.empty_like(energy)
    reach = roi // 2
    for top in range(0, len(energy), _STRIPE):
        end = min(top + _STRIPE, len(energy))
        seen = slice(max(top - reach, 0), end + reach)
        mine = slice(top - seen.start, end - seen.start)
        strip_score, strip_signal = _maps(gradient[seen], energy[seen], noise, roi)
        score[top:end], signal[top:end] = strip_score[mine], strip_signal[mine]
    return score, signal


def _maps(gradient: Complexes, energy: Singles, noise: float, roi: int) -> tuple[Singles, Singles]:
    """Return score and signal, in standard deviations of noise, of each place of the frame."""
    from scipy import fft

    shape = tuple(fft.next_fast_len(size + roi) for size in gradient.shape)
    reach = roi // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(x, y)
    weight = np.where((distance > 0) & (distance <= roi / 2), 1 / np.maximum(distance, 1), 0)
    direction = weight * np.exp(-2j * np.angle(x + 1j * y))

    def transform(values: NDArray[Any]) -> Complexes:
        changed: Complexes = fft.fft2(values, shape)
        return changed

    def correlate(values: Complexes, kernel: NDArray[Any]) -> Complexes:
        # A kernel turned by 180° makes the product a correlation; this one is the same either way round.
        full = fft.ifft2(values * transform(kernel.astype(np.complex64)))
        rows, columns = gradient.shape
        middle: Complexes = full[reach : reach + rows, reach : reach + columns]
        return middle

    squared = transform(gradient * gradient)
    radial = correlate(squared, direction).real
    one_way = np.abs(correlate(squared, weight))
    energies = transform(energy)
    whole = correlate(energies, weight).real
    # Turned by 180° this kernel changes its sign, which the modulus does not show.
    lopsided = np.abs(correlate(energies, weight * np.exp(-1j * np.angle(x + 1j * y))))
    # Smoothing joins neighbours' noise: about 4 π σ² pixels say the same.
    scatter = noise * np.sqrt((weight**2).sum() * 4 * np.pi * _SMOOTHING_PX**2 / 2)
    net = radial - np.maximum(one_way, lopsided)
    floor = 0.5 * scatter
    score = net / np.maximum(whole - noise * weight.sum(), floor)
    return np.minimum(score, 1.0).astype(np.float32), (net / scatter).astype(np.float32)


def _peaks(score: Singles, signal: Singles, roi: int) -> list[tuple[int, int, float]]:
    """Return the places x, y and the scores of what can be a bead, best first."""
    from scipy.ndimage import maximum_filter

    strong = score >= _LEAST_SCORE
    # Where rings of neighbours cross there is symmetry as well, but little of it.
    least = max(_LEAST_SIGNAL, _LEAST_SHARE * float(signal[strong].max(initial=0)))
    good = np.where(strong & (signal >= least), score, 0)
    # A region around it must lie in the frame.
    edge = roi // 2
    inside = np.zeros_like(good)
    inside[edge : len(good) - edge, edge : good.shape[1] - edge] = 1
    good = good * inside
    ys, xs = np.nonzero((good > 0) & (good == maximum_filter(good, roi // 2 * 2 + 1)))
    order = np.argsort(-good[ys, xs], kind="stable")
    return [(int(xs[at]), int(ys[at]), float(good[ys[at], xs[at]])) for at in order]


def _refined(gradient: Complexes, energy: Singles, x: float, y: float, roi: int) -> tuple[float, float] | None:
    """Return the point nearest to the lines along the gradients around x, y; None if it is not near it."""
    start = x, y
    rows, columns = gradient.shape
    for _ in range(_REFINEMENTS):
        x0, y0 = round(x - roi / 2), round(y - roi / 2)
        ys, xs = slice(max(y0, 0), min(y0 + roi + 1, rows)), slice(max(x0, 0), min(x0 + roi + 1, columns))
        g, weight = gradient[ys, xs].astype(np.complex128), energy[ys, xs].astype(np.float64)
        py, px = np.mgrid[ys, xs] - np.array([y, x])[:, None, None]
        share = np.hypot(px, py)
        weight = np.where(share <= roi / 2, 1 / np.maximum(share, 1), 0) * (weight > 0)
        # The distance of c to a line through p along g is the cross product |(p - c), g| / |g|; each pixel counts by |g|².
        a, b, c = (weight * g.imag**2).sum(), -(weight * g.real * g.imag).sum(), (weight * g.real**2).sum()
        cross = weight * (px * g.imag - py * g.real)
        u, v = (cross * g.imag).sum(), -(cross * g.real).sum()
        determinant = a * c - b * b
        if determinant <= 1e-6 * (a + c) ** 2:
            return None
        x, y = x + (c * u - b * v) / determinant, y + (a * v - b * u) / determinant
        if not np.hypot(x - start[0], y - start[1]) <= roi / 4:
            return None
    return float(x), float(y)
