"""The image of many beads, with the noise of its photons."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.kernel_cache import numba_usable
from opticstream.scope.bead_image import expose
from opticstream.scope.cameras.bead_table import RADIUS_STEP_NM, BeadTable
from opticstream.scope.tracking.tracker import Backend

Floats = NDArray[np.float64]
_QUANTILES = 65536


class BeadFrame:
    """Draws frames of a :class:`BeadTable`'s bead: background, beads, shot noise, 8 bits.

    The noise is Poisson's. The kernel draws it from 65,536 quantiles of the normal distribution with Poisson's
    skewness, and exactly below 40 photoelectrons; mean and variance are within 0.1 % and 0.5 %, no value is further
    than 4.3 standard deviations from its mean. Without numba NumPy draws it exactly, at eight times the cost, and
    other noise for the same seed.

    Args:
        table: the bead.
        width: px.
        height: px.
        backend: ``numba``, ``numpy``, or ``auto``: numba where it can be.
    """

    def __init__(self, table: BeadTable, width: int, height: int, backend: Backend = "auto") -> None:
        self._table = table
        self._level = np.empty((height, width), np.float32)
        self._still = self._level.copy()
        self._standing: bytes | None = None
        self._compiled = backend == "numba" or (backend == "auto" and numba_usable())
        self._normal = _normal_quantiles() if self._compiled else np.empty(0, np.float32)

    def draw(self, still: Floats, moving: Floats, gain: float, seed: int, out: NDArray[Any]) -> None:
        """Fill ``out`` (height, width) uint8.

        Args:
            still: x, y in px and z in nm of beads that are mostly where they were in the last frame, (n, 3).
            moving: of the others, (m, 3).
            gain: photoelectrons of a pixel at full scale.
            seed: of the noise; the same frame and seed give the same pixels.
            out: C-contiguous.
        """
        key = still.tobytes()
        if self._standing != key:
            self._still.fill(self._table.bead.background)
            self._add(self._still, still)
            self._standing = key
        np.copyto(self._level, self._still)
        self._add(self._level, moving)
        if not self._compiled:
            out[...] = expose(self._level.astype(np.float64), np.random.default_rng(seed), gain=gain)
            return
        from opticstream.scope.cameras.bead_frame_kernel import expose_frame

        expose_frame(self._level, gain, np.uint64(seed % 2**64), self._normal, out)

    def _add(self, level: NDArray[np.float32], beads: Floats) -> None:
        reach, per_px = self._table.reach_px, self._table.bead.nm_per_px / RADIUS_STEP_NM
        add: Any = _add_bead
        if self._compiled:
            from opticstream.scope.cameras.bead_frame_kernel import add_bead

            add = add_bead
        line, height = None, np.nan
        for x, y, z in beads:
            if z != height:
                line, height = self._table.line(z), z
            add(level, x, y, reach, per_px, line)


def _add_bead(level: NDArray[Any], x: float, y: float, reach: float, per_px: float, line: Any) -> None:
    top, left = max(0, int(np.ceil(y - reach))), max(0, int(np.ceil(x - reach)))
    part = level[top : max(top, int(np.floor(y + reach)) + 1), left : max(left, int(np.floor(x + reach)) + 1)]
    dy = np.arange(top, top + part.shape[0]) - y
    dx = np.arange(left, left + part.shape[1]) - x
    radii = np.sqrt(dx * dx + (dy * dy)[:, None])
    part += np.interp(radii * per_px, np.arange(len(line)), line) * (radii <= reach)


def _normal_quantiles() -> NDArray[np.float32]:
    """Return the normal distribution at the middles of 65,536 equal shares, scaled to a variance of 1."""
    from scipy.special import ndtri  # scipy is slow to import, and only simulations need it

    quantiles = ndtri((np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return np.asarray(quantiles / quantiles.std(), np.float32)
