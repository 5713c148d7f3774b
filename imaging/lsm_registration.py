"""Where neighbouring strips really lie: measured in their overlap, and joined into one set of positions."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.imaging.lsm_overlap import overlap_columns

Image = NDArray[Any]
Real = NDArray[np.float32]
Position = tuple[int, int]
"""First pixel of a strip in the whole: (y: camera column, x: frame)."""

MAX_SHIFT_PX = 16
"""How far from its nominal place a strip is looked for, in both directions."""

_LEAST_CORRELATION = 0.3
"""Below this an overlap says nothing; most labs' stitchers use the same bound."""
_NOISE_DEVIATIONS = 6
"""By how many of its standard deviations a correlation must exceed what unrelated noise gives."""
_LEAST_ROWS = 6
_SEGMENT, _SEGMENTS = 1024, 12
"""Frames of a stretch of overlap, and how many stretches are looked at, spread over the strip."""
_SMOOTH, _TREND = 3, 17
"""Pixels averaged against noise, and pixels over which a slow change of brightness is removed."""
_CANDIDATES = 10
_NOMINAL_WEIGHT = 0.05
"""Of a nominal distance against measured ones."""


@dataclass(frozen=True)
class PairShift:
    """How two strips lie to each other."""

    first: int
    second: int
    y: int
    """Pixels from the first strip's first column to the second's."""
    x: int
    """Frames from the first strip's first frame to the second's."""
    correlation: float
    """Of the two strips' overlap at that place, -1 to 1."""
    measured: bool
    """False: the overlap is too small or too empty to measure in, so the nominal place stands."""


def nominal_starts(rows: Sequence[int], overlap_percent: float) -> list[int]:
    """Return the first camera column of each strip when each overlaps the one before by a share of its width.

    Args:
        rows: camera columns of each strip.
        overlap_percent: 0 or more, below 100.

    Raises:
        BadInput: the overlap is out of bounds.
    """
    if not 0 <= overlap_percent < 100:
        raise BadInput("overlap_percent", found=str(overlap_percent), expected="0 or more, below 100")
    starts = [0]
    for before, after in itertools.pairwise(rows):
        starts.append(starts[-1] + max(1, before - overlap_columns(min(before, after), overlap_percent)))
    return starts[: len(rows)]


def register_strips(
    strips: Sequence[Image],
    nominal: Sequence[int],
    *,
    max_shift_px: int = MAX_SHIFT_PX,
    check: Callable[[], None] | None = None,
) -> tuple[list[Position], list[PairShift]]:
    """Measure how strips that overlap lie to each other, and return the positions that fit best.

    Each pair is measured by phase correlation (Kuglin and Hines, 1975); the best few places are then judged by the
    normalised correlation of what overlaps there. A pair whose correlation is below 0.3, or not clearly above that of
    noise, keeps its nominal place. Positions follow by least squares, pairs weighted by their correlation; with less
    than half a strip's overlap only neighbours are pairs.

    Args:
        strips: (camera columns, frames) each; read in pieces of at most 1024 frames.
        nominal: camera column at which each should begin, rising; all begin at one frame.
        max_shift_px: bound of the search around the nominal place, in y and in x.
        check: called between pairs; what it raises ends the work.

    Returns:
        Positions, the least 0 in both directions, and the pairs.
    """
    pairs = []
    for first in range(len(strips)):
        for second in range(first + 1, len(strips)):
            y = nominal[second] - nominal[first]
            if y >= len(strips[first]):
                break
            if check is not None:
                check()
            shift, correlation = _measure(strips[first], strips[second], y, max_shift_px)
            found = shift if shift is not None else (0, 0)
            pairs.append(PairShift(first, second, y + found[0], found[1], correlation, shift is not None))
    return _solve(nominal, pairs), pairs


def _measure(first: Image, second: Image, y: int, bound: int) -> tuple[Position | None, float]:
    """Return by how much the second strip is off its nominal place, None where that cannot be told; the correlation."""
    overlap = len(first) - y
    reach_y = min(bound, overlap - _LEAST_ROWS, len(second) - overlap)
    width = min(first.shape[1], second.shape[1])
    reach_x = min(bound, width // 4)
    if reach_y < 0 or reach_x < 0:
        return None, 0.0
    rows = min(overlap + reach_y, len(first))
    length = min(_SEGMENT, width)
    starts = np.unique(np.linspace(0, width - length, min(_SEGMENTS, -(-width // length))).astype(int))
    ones, others = [], []
    for start in starts:
        ones.append(_prepared(first[len(first) - rows :, start : start + length]))
        others.append(_prepared(second[:rows, start : start + length]))
    # In these windows the nominal place is a shift by the rows that the windows reach beyond the overlap.
    beyond = rows - overlap
    surface = _phase_correlation(ones, others)
    judge = _Judge(ones, others, beyond, reach_y, reach_x)
    best = judge.climb(max([(0, 0), *_peaks(surface, beyond, reach_y, reach_x)], key=judge.correlation))
    correlation, pixels = judge.correlation(best), judge.pixels(best)
    least = max(_LEAST_CORRELATION, _NOISE_DEVIATIONS / max(1.0, pixels / _SMOOTH**2) ** 0.5)
    return (best if correlation >= least else None), round(correlation, 4)


class _Judge:
    """Says how well two strips agree at a place, given as an offset from the nominal one."""

    def __init__(self, ones: list[Real], others: list[Real], beyond: int, reach_y: int, reach_x: int) -> None:
        self._pairs = list(zip(ones, others, strict=True))
        self._beyond, self._reach = beyond, (reach_y, reach_x)
        self._known: dict[Position, float] = {}

    def correlation(self, place: Position) -> float:
        """Return the normalised correlation of what overlaps; -1 out of reach."""
        if abs(place[0]) > self._reach[0] or abs(place[1]) > self._reach[1]:
            return -1.0
        if place not in self._known:
            products = np.zeros(3)
            for a, b in self._shared(place):
                a, b = a - a.mean(), b - b.mean()
                products += [float((left * right).sum(dtype=np.float64)) for left, right in ((a, b), (a, a), (b, b))]
            strength = float(np.sqrt(products[1] * products[2]))
            self._known[place] = float(products[0] / strength) if strength > 0 else 0.0
        return self._known[place]

    def pixels(self, place: Position) -> int:
        """Return how many pixels that correlation is of."""
        return sum(a.size for a, _ in self._shared(place))

    def climb(self, place: Position) -> Position:
        """Return the nearest place that no neighbour is better than: noise moves the peak of a phase correlation."""
        while True:
            around = [(place[0] + y, place[1] + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
            best = max(around, key=self.correlation)
            if self.correlation(best) <= self.correlation(place):
                return place
            place = best

    def _shared(self, place: Position) -> list[tuple[Real, Real]]:
        (y, x), shared = (place[0] + self._beyond, place[1]), []
        for one, other in self._pairs:
            rows, columns = one.shape
            shared.append(
                (
                    one[max(y, 0) : rows + min(y, 0), max(x, 0) : columns + min(x, 0)],
                    other[max(-y, 0) : rows + min(-y, 0), max(-x, 0) : columns + min(-x, 0)],
                )
            )
        return shared


def _prepared(image: Image) -> Real:
    """Return an image without its noise and without slow changes of brightness, mean 0."""
    from scipy.ndimage import uniform_filter

    values = np.asarray(image, np.float32)
    return np.asarray(uniform_filter(values, _SMOOTH) - uniform_filter(values, _TREND), np.float32)


def _phase_correlation(ones: list[Real], others: list[Real]) -> Real:
    """Return the phase correlation of pairs of images, summed; the peak is at the shift of the second, modulo size."""
    from scipy import fft

    rows, columns = ones[0].shape
    size = fft.next_fast_len(2 * rows, real=True), fft.next_fast_len(columns + columns // 4, real=True)
    taper = np.hanning(columns + 2)[1:-1].astype(np.float32)
    total = np.zeros((size[0], size[1] // 2 + 1), np.complex64)
    for one, other in zip(ones, others, strict=True):
        product = fft.rfft2(one * taper, size) * np.conj(fft.rfft2(other * taper, size))
        strength = np.abs(product)
        total += product / (strength + np.float32(0.01) * strength.mean() + np.float32(1e-12))
    return np.asarray(fft.irfft2(total, size), np.float32)


def _peaks(surface: Real, beyond: int, reach_y: int, reach_x: int) -> list[Position]:
    """Return the highest places of a surface within reach, as offsets from the nominal place."""
    offsets_y, offsets_x = np.arange(-reach_y, reach_y + 1), np.arange(-reach_x, reach_x + 1)
    window = surface[np.ix_((beyond + offsets_y) % len(surface), offsets_x % surface.shape[1])].copy()
    found = []
    for _ in range(_CANDIDATES):
        y, x = (int(index) for index in np.unravel_index(int(np.argmax(window)), window.shape))
        found.append((int(offsets_y[y]), int(offsets_x[x])))
        window[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = -np.inf
    return found


def _solve(nominal: Sequence[int], pairs: Sequence[PairShift]) -> list[Position]:
    """Return the positions that fit the pairs best, in whole pixels."""
    count = len(nominal)
    matrix = np.zeros((len(pairs) + count, count))
    wanted = np.zeros((len(pairs) + count, 2))
    for row, pair in enumerate(pairs):
        weight = pair.correlation if pair.measured else 0.0
        matrix[row, [pair.first, pair.second]] = -weight, weight
        wanted[row] = weight * pair.y, weight * pair.x
    joined = {(pair.first, pair.second) for pair in pairs if pair.measured}
    for index in range(1, count):
        # Only where neighbours could not be measured: elsewhere it would pull towards the nominal place.
        weight = 0.0 if (index - 1, index) in joined else _NOMINAL_WEIGHT
        matrix[len(pairs) + index, [index - 1, index]] = -weight, weight
        wanted[len(pairs) + index] = weight * (nominal[index] - nominal[index - 1]), 0
    matrix[len(pairs), 0] = 1.0  # the first strip stays
    solved = np.rint(np.linalg.lstsq(matrix, wanted, rcond=None)[0]).astype(int)
    solved -= solved.min(axis=0)
    return [(int(y), int(x)) for y, x in solved]
