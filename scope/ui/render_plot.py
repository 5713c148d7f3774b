"""Plots of a scope as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput
from opticstream.core.files import atomic_file, writing

_LEAST_LENGTH_S = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class PlotSeries:
    """One line of a picture; those with the same ``ylabel`` share a panel."""

    label: str
    ylabel: str
    """With the unit in brackets: ``Z (nm)``."""
    t: ArrayLike
    """Seconds since 1970 UTC, rising, (n,)."""
    y: ArrayLike
    """(n,); the line has a gap where it is NaN."""


def render_plot(
    series: Sequence[PlotSeries], path: Path, size: tuple[int, int] | None = None, *, title: str = "Tracks"
) -> None:
    """Draw series over their common time into a PNG file, whole or not at all.

    Where many values share a column of pixels, the line spans the least and the greatest of them, so that no outlier
    is lost.

    Args:
        series: one or more; a panel for each ``ylabel``, in the order they come.
        path: the file.
        size: width and height, px; absent: 1000 wide, with room for the panels.
        title: begins the line above the panels.

    Raises:
        BadInput: nothing to draw, arrays that do not fit, times that fall, or too small a size.
        WriteFailed: the file cannot be written.
    """
    from opticstream.imaging.time_panels import (  # Pillow; the processes of a scope start without it
        BLUE,
        GREEN,
        ORANGE,
        TimeCurve,
        TimePanel,
        draw_time_panels,
        plot_columns,
    )

    lines = [(one, *_arrays(one)) for one in series]
    ends = [end for _, t, _ in lines if len(t) for end in (t[0], t[-1])]
    if not ends:
        raise BadInput("plot", found="no values", expected="a series with one or more")
    start, length = min(ends), max(max(ends) - min(ends), _LEAST_LENGTH_S)
    width, height = size or (1000, 0)
    last = max(1, plot_columns(width) - 1)
    grouped: dict[str, list[TimeCurve]] = {}
    for one, t, y in lines:
        curves = grouped.setdefault(one.ylabel, [])
        columns = np.minimum((t - start) / length * last, last).astype(np.int64)
        colour = (BLUE, ORANGE, GREEN)[len(curves) % 3]
        curves.append(TimeCurve(one.label, colour, strokes_of(columns, y)))
    panels = [
        TimePanel(name.partition(" (")[0], name.partition(" (")[2].rstrip(")") or "no unit", tuple(curves), False)
        for name, curves in grouped.items()
    ]
    began = datetime.fromtimestamp(start, UTC).astimezone()
    drawn = draw_time_panels(f"{title} from {began:%Y-%m-%d %H:%M:%S} on", panels, length, size and (width, height))
    with writing(path), atomic_file(path) as file:
        file.write(drawn)


def strokes_of(columns: NDArray[np.int64], y: NDArray[np.float64]) -> list[list[tuple[int, float]]]:
    """Return the lines through values (n,) in rising columns (n,): in each column from the least to the greatest.

    A NaN ends a line.
    """
    known = np.isfinite(y)
    runs, at, values = np.cumsum(~known)[known], columns[known], y[known]
    if not len(values):
        return []
    begins = np.flatnonzero(np.r_[True, (np.diff(runs) != 0) | (np.diff(at) != 0)])
    ends = np.r_[begins[1:], len(values)] - 1
    low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
    strokes: list[list[tuple[int, float]]] = []
    before = None
    for run, x, first, least, greatest, final in zip(
        runs[begins].tolist(), at[begins].tolist(), values[begins].tolist(), low.tolist(), high.tolist(),
        values[ends].tolist(), strict=True,
    ):  # fmt: skip
        if run != before:
            strokes.append([])
            before = run
        # From the value the line comes with to the one it leaves with, by way of both extremes.
        strokes[-1] += [(x, value) for value in dict.fromkeys((first, least, greatest, final))]
    return strokes


def _arrays(one: PlotSeries) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t, y = np.asarray(one.t, np.float64), np.asarray(one.y, np.float64)
    where = f"plot of {one.label}"
    if t.ndim != 1 or t.shape != y.shape:
        raise BadInput(where, found=f"times {t.shape} and values {y.shape}", expected="(n,) and (n,)")
    if not np.isfinite(t).all() or (np.diff(t) < 0).any():
        raise BadInput(where, found="times that fall or are no numbers", expected="rising times")
    return t, y
