"""How strips side by side become one: each fades into its neighbour over what they share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.lsm_registration import Position

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class PlacedStrip:
    """A strip's place in the whole, and what each of its rows weighs there."""

    y: int
    x: int
    rows: int
    """Camera columns."""
    columns: int
    """Frames."""
    weights: Weights
    """(rows,) float32, above 0 everywhere."""


def place_strips(shapes: Sequence[tuple[int, int]], positions: Sequence[Position]) -> list[PlacedStrip]:
    """Return strips with their weights.

    Over the n rows that two neighbours share, the weight of one falls and that of the other rises by 1/(n+1) a row:
    together they are 1, and neither is 0, so no pixel that a strip covers is without weight.

    Args:
        shapes: (camera columns, frames) of each strip.
        positions: where each begins, in the same order.
    """
    order = sorted(range(len(shapes)), key=lambda index: positions[index][0])
    placed: list[PlacedStrip | None] = [None] * len(shapes)
    for rank, index in enumerate(order):
        rows = shapes[index][0]
        start, end = positions[index][0], positions[index][0] + rows
        before = order[rank - 1] if rank else None
        after = order[rank + 1] if rank + 1 < len(order) else None
        above = 0 if before is None else positions[before][0] + shapes[before][0] - start
        below = 0 if after is None else end - positions[after][0]
        weights = _rise(rows, above) * _rise(rows, below)[::-1]
        placed[index] = PlacedStrip(*positions[index], *shapes[index], weights.astype(np.float32))
    return [strip for strip in placed if strip is not None]


def _rise(rows: int, shared: int) -> NDArray[np.float64]:
    """Return weights that rise over the first ``shared`` rows and are 1 from there on."""
    shared = max(0, min(shared, rows))
    return np.minimum(1.0, np.arange(1, rows + 1) / (shared + 1))


def whole_shape(strips: Sequence[PlacedStrip]) -> tuple[int, int]:
    """Return (rows, columns) of the least image that holds all strips."""
    return max(strip.y + strip.rows for strip in strips), max(strip.x + strip.columns for strip in strips)
