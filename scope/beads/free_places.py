"""Random places for regions that touch no other."""

import numpy as np
from numpy.typing import NDArray

_DARTS = 64


class FreePlaces:
    """Where in an image further square regions fit.

    Args:
        width: of the image, px.
        height: px.
        roi: edge of a region, px; at most the image's.
        taken: corners x0, y0 of the regions there are; (n, 2).
    """

    def __init__(self, width: int, height: int, roi: int, taken: NDArray[np.integer]) -> None:
        self._roi = roi
        self._free = np.ones((height - roi + 1, width - roi + 1), bool)
        for x, y in taken.tolist():
            self._take(x, y)

    def draw(self, random: np.random.Generator) -> tuple[int, int] | None:
        """Return the corner x0, y0 of a region and take its place; each free place is as likely. None: no room."""
        rows, columns = self._free.shape
        # Darts are cheap while there is much room; the list of what is left is exact when there is little.
        ys, xs = random.integers(rows, size=_DARTS), random.integers(columns, size=_DARTS)
        hits = np.flatnonzero(self._free[ys, xs])
        if len(hits):
            y, x = int(ys[hits[0]]), int(xs[hits[0]])
        else:
            left = np.flatnonzero(self._free)
            if not len(left):
                return None
            y, x = divmod(int(left[random.integers(len(left))]), columns)
        self._take(x, y)
        return x, y

    def _take(self, x: int, y: int) -> None:
        near = self._roi - 1
        self._free[max(y - near, 0) : y + near + 1, max(x - near, 0) : x + near + 1] = False
