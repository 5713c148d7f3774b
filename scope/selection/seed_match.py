"""Beads that look like one that was chosen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.bad_value import BadValue
from opticstream.scope.selection.frame import checked_frame

PROGRESS_END = 1000
_STRIPE = 96
_MATCHED = 900
"""Progress when all stripes are compared; the rest is for choosing."""
_LEAST = 5


@dataclass(frozen=True, eq=False)
class SeedMatches:
    """Regions that look like the seed, best first; none overlaps another, the seed or one that was there."""

    rois: NDArray[np.uint32]
    """x0, x1, y0, y1, px, ends excluded; (n, 4)."""
    scores: NDArray[np.float64]
    """Normalised cross-correlation with the seed, above 0 to 1; falling; (n,)."""
    threshold: float
    """Where to cut unless the user says otherwise, see :func:`default_threshold`."""

    def above(self, threshold: float | None = None) -> NDArray[np.uint32]:
        """Return the regions whose score is the threshold or more; None: the default one."""
        limit = self.threshold if threshold is None else threshold
        return self.rois[self.scores >= limit]


def match_seed(
    image: NDArray[Any],
    seed: Iterable[int],
    existing: Iterable[Iterable[int]] = (),
    *,
    progress: Callable[[int], object] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> SeedMatches | None:
    """Find the places of a frame that look like one region of it.

    The score is Pearson's correlation of the region with the seed, by FFT in stripes of rows, so that memory is
    bounded by a stripe; sums for the norm come from integral images. Places are the local maxima of the score over
    half a region, taken best first where they overlap nothing that was taken.

    Args:
        image: grey frame (height, width).
        seed: region x0, x1, y0, y1 of a bead, square, px, ends excluded.
        existing: regions to stay clear of, of the same size.
        progress: told 0 to 1000, rising.
        cancelled: asked between stripes.

    Returns:
        The matches, or None if it was cancelled.

    Raises:
        BadValue: the frame or the seed cannot be used, or the seed is all one grey.
    """
    x0, x1, y0, y1 = (int(value) for value in seed)
    roi = x1 - x0
    frame = checked_frame(image, roi)
    height, width = frame.shape
    if y1 - y0 != roi or not (x0 >= 0 and x1 <= width and y0 >= 0 and y1 <= height):
        expected = f"a square inside {width} by {height} px"
        raise BadValue("seed region", found=f"{(x0, x1, y0, y1)}", expected=expected)
    template = frame[y0:y1, x0:x1].astype(np.float64)
    template -= template.mean()
    norm = float(np.sqrt((template * template).sum()))
    if norm <= 1e-9 * roi * max(float(np.abs(frame[y0:y1, x0:x1]).max()), 1e-300):
        raise BadValue("seed region", found="one grey level", expected="a bead")
    scores = np.empty((height - roi + 1, width - roi + 1), np.float32)
    progress(0)
    for top in range(0, len(scores), _STRIPE):
        if cancelled():
            return None
        rows = scores[top : top + _STRIPE]
        rows[:] = _correlation(frame[top : top + len(rows) + roi - 1].astype(np.float64), template / norm)
        progress(_MATCHED * (top + len(rows)) // len(scores))
    if cancelled():
        return None
    matches = _pick(scores, roi, [(x0, y0), *((int(x), int(y)) for x, _, y, _ in existing)])
    progress(PROGRESS_END)
    return matches


def default_threshold(scores: NDArray[np.floating]) -> float:
    """Return the middle of the largest gap between falling scores; of fewer than 5 their 75th percentile.

    Beads score alike and so does what is none: between them there is the gap.
    """
    if not len(scores):
        return 1.0
    if len(scores) < _LEAST:
        return float(np.percentile(scores, 75))
    gap = int(np.argmax(scores[:-1] - scores[1:]))
    return float(scores[gap] + scores[gap + 1]) / 2


def _correlation(strip: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal import fftconvolve  # scipy is slow to import, and only a search needs it

    roi = len(template)
    strip = strip - strip.mean()  # keeps the sums of squares small, so that their difference is exact enough
    number = roi * roi
    mean = _box_sums(strip, roi) / number
    variance = _box_sums(strip * strip, roi) - number * mean * mean
    product = fftconvolve(strip, template[::-1, ::-1], mode="valid")
    # What is flat up to rounding correlates with nothing.
    floor = 1e-9 * number * max(float((strip * strip).max()), 1e-300)
    found = np.divide(product, np.sqrt(variance.clip(floor)), out=np.zeros_like(product), where=variance > floor)
    clipped: NDArray[np.float64] = found.clip(-1.0, 1.0)
    return clipped


def _box_sums(values: NDArray[np.float64], edge: int) -> NDArray[np.float64]:
    """Return the sum of every square of ``edge`` px (Crow 1984: summed-area tables)."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0), axis=1, out=table[1:, 1:])
    sums: NDArray[np.float64] = (
        table[edge:, edge:] - table[:-edge, edge:] - table[edge:, :-edge] + table[:-edge, :-edge]
    )
    return sums


def _pick(scores: NDArray[np.float32], roi: int, taken: list[tuple[int, int]]) -> SeedMatches:
    from scipy.ndimage import maximum_filter

    near = roi // 2 * 2 + 1
    free = np.ones(scores.shape, bool)
    for x, y in taken:
        _block(free, x, y, roi)
    peaks = (scores == maximum_filter(scores, near)) & (scores > 0) & free
    at = np.flatnonzero(peaks)
    # Where scores are equal the first in the frame is taken.
    order = at[np.argsort(-scores.ravel()[at], kind="stable")]
    places = []
    for y, x in zip(*(axis.tolist() for axis in np.unravel_index(order, scores.shape)), strict=True):
        if free[y, x]:
            places.append((x, y))
            _block(free, x, y, roi)
    found = np.array([(x, x + roi, y, y + roi) for x, y in places], np.uint32).reshape(-1, 4)
    values = np.array([scores[y, x] for x, y in places], np.float64)
    return SeedMatches(found, values, default_threshold(values))


def _block(free: NDArray[np.bool_], x: int, y: int, roi: int) -> None:
    free[max(y - roi + 1, 0) : y + roi, max(x - roi + 1, 0) : x + roi] = False
