"""Where simulated beads stand: anywhere, but not on each other."""

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput

_DISTANCE_PX = 50.0
_RELAX = 0.95
_TRIES = 100_000
_MARGIN_PX = 27.0
_BATCH = 4096
_FINE = 10
_NEAR = np.arange(5)

Floats = NDArray[np.float64]


def place_beads(number: int, width: int, height: int, random: np.random.Generator) -> Floats:
    """Throw beads until they fit: each at least 50 px from all others and 27 px from the frame's edge.

    After 100,000 throws the distance that did not work is made 5 % smaller, until all beads stand.

    Args:
        number: of beads.
        width: of the frame, px.
        height: of the frame, px.
        random: decides; the same state gives the same places.

    Returns:
        x and y of the centres, px, (number, 2); 0 is the middle of the first pixel.

    Raises:
        BadInput: a frame that is all margin.
    """
    low = np.array([_MARGIN_PX, _MARGIN_PX])
    high = np.array([width - 1 - _MARGIN_PX, height - 1 - _MARGIN_PX])
    if (high <= low).any():
        least = int(2 * _MARGIN_PX) + 2
        raise BadInput("simulated frame", found=f"{width} x {height} px", expected=f"at least {least} x {least} px")
    places = np.empty((0, 2))
    distance = _DISTANCE_PX
    while len(places) < number:
        places = _throw(places, number, distance, low, high, random)
        distance *= _RELAX
    return places


def _throw(
    places: Floats, number: int, distance: float, low: Floats, high: Floats, random: np.random.Generator
) -> Floats:
    """Add up to ``number`` beads in one distance's throws."""
    grid = _Grid(distance, low, high)
    grid.add(places)
    for _ in range(0, _TRIES, _BATCH):
        thrown = random.uniform(low, high, (_BATCH, 2))
        for place in thrown[grid.free(thrown)]:
            if grid.free(place[None])[0]:  # those of this batch that already stand
                grid.add(place[None])
                if len(grid.places) == number:
                    return grid.places
    return grid.places


class _Grid:
    """Finds the beads near a place: cells so small that each holds one bead at most, and a map of what is taken."""

    def __init__(self, distance: float, low: Floats, high: Floats) -> None:
        self._distance, self._low = distance, low
        self._edge = distance / np.sqrt(2.0)
        cells = np.ceil((high - low) / self._edge).astype(int) + 1
        self._at = np.full((*(cells + 4), 2), np.inf)  # two empty cells around
        # Most throws at the end are well within another bead's circle: one look at a fine map tells.
        self._fine = distance / _FINE
        self._taken = np.zeros(np.ceil((high - low) / self._fine).astype(int) + 2 * _FINE + 2, bool)
        offset = np.arange(-_FINE, _FINE + 1)
        farthest = np.hypot(*np.meshgrid(abs(offset) + 1, abs(offset) + 1))
        self._stamp = np.argwhere(farthest <= _FINE)  # wherever in its square the bead and the throw are
        self.places = np.empty((0, 2))

    def add(self, places: Floats) -> None:
        """Let beads (n, 2) stand."""
        i, j = ((places - self._low) / self._edge).astype(int).T + 2
        self._at[i, j] = places
        middle = ((places - self._low) / self._fine).astype(int)
        i, j = (middle[:, None] + self._stamp).reshape(-1, 2).T
        self._taken[i, j] = True
        self.places = np.concatenate([self.places, places])

    def free(self, thrown: Floats) -> NDArray[np.bool_]:
        """Say which places (n, 2) are far enough from all beads."""
        i, j = ((thrown - self._low) / self._fine).astype(int).T + _FINE
        found: NDArray[np.bool_] = ~self._taken[i, j]
        left = np.flatnonzero(found)
        if not len(left):
            return found
        places = thrown[left]
        i, j = ((places - self._low) / self._edge).astype(int).T
        near = self._at[i[:, None, None] + _NEAR[:, None], j[:, None, None] + _NEAR]
        apart = near - places[:, None, None]
        found[left] = (apart * apart).sum(axis=3).min(axis=(1, 2)) >= self._distance**2
        return found
