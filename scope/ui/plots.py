"""Plots over time that people add to a scope's interface."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput

Floats = NDArray[np.float64]

_COLUMNS, _BEAD = {"x": 1, "y": 2, "z": 3}, 4
"""Of a row of tracks."""


class TimeSeriesPlotBase:
    """What of a buffer is plotted over time; it knows no window.

    The rows of ``buffer_name`` (``TracksBuffer`` or the name of a hardware manager) come in as (n, columns); column 0
    is time, seconds since 1970 UTC, and a row that was never written is NaN. A subclass overrides :meth:`transform`,
    or :meth:`get_data` where it also chooses rows.

    Args:
        buffer_name: buffer whose rows are plotted.
        ylabel: what the values are, with the unit in brackets: ``Force (pN)``.

    Raises:
        BadInput: a name is empty.
    """

    def __init__(self, buffer_name: str, ylabel: str) -> None:
        for name, value in (("buffer_name", buffer_name), ("ylabel", ylabel)):
            if not value.strip():
                raise BadInput(f"{type(self).__name__}: {name}", found=repr(value), expected="a name")
        self.buffer_name, self.ylabel = buffer_name, ylabel

    def transform(self, rows: Floats) -> Floats:
        """Return the values of rows (n, columns), (n,); the first column beside the time unless overridden."""
        return rows[:, 1]

    def get_data(self, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Return times (m,) in s, rising, and values (m,), of rows (n, columns) in any order.

        Raises:
            BadInput: the rows are no matrix of 2 columns or more, or ``transform`` gives another number of values.
        """
        table = np.asarray(rows, np.float64)
        if table.ndim != 2 or table.shape[1] < 2:
            raise BadInput(self.buffer_name, found=f"rows of shape {table.shape}", expected="(n, 2 or more)")
        known = table[np.isfinite(table[:, 0])]
        known = known[np.argsort(known[:, 0], kind="stable")]
        values = np.asarray(self.transform(known), np.float64)
        if values.shape != (len(known),):
            raise BadInput(
                f"{type(self).__name__}.transform", found=f"shape {values.shape}", expected=f"({len(known)},)"
            )
        return known[:, 0], values


class TracksPlot(TimeSeriesPlotBase):
    """x, y or z of the selected bead over time; with a reference bead, their distance at equal times.

    z is then reference minus selected, as the predecessor's plots have it: a bead above the reference, which needs the
    lower focus, is drawn above 0.

    Args:
        axis: ``x``, ``y`` or ``z``.

    Raises:
        BadInput: another axis.
    """

    def __init__(self, axis: str) -> None:
        if axis not in _COLUMNS:
            raise BadInput("tracks plot: axis", found=repr(axis), expected="x, y or z")
        super().__init__("TracksBuffer", f"{axis.upper()} (nm)")
        self.axis = axis
        self.selected_bead = 0
        self.reference_bead: int | None = None
        """None: positions are those in the frame."""

    def get_data(self, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Return times (m,) in s, and positions or distances (m,) in nm, of tracks (n, 7).

        Times at which one of the two beads has no row are left out; a bead that was not tracked is NaN.

        Raises:
            BadInput: the rows are not (n, 7).
        """
        table = np.asarray(rows, np.float64)
        if table.ndim != 2 or table.shape[1] != 7:
            raise BadInput(self.buffer_name, found=f"rows of shape {table.shape}", expected="(n, 7)")
        t, value = self._of(table, self.selected_bead)
        if self.reference_bead is None:
            return t, value
        reference_t, reference = self._of(table, self.reference_bead)
        common, own, other = np.intersect1d(t, reference_t, return_indices=True)
        distance = value[own] - reference[other]
        return common, -distance if self.axis == "z" else distance

    def _of(self, table: Floats, bead: int) -> tuple[Floats, Floats]:
        rows = table[(table[:, _BEAD] == bead) & np.isfinite(table[:, 0])]
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        return rows[:, 0], rows[:, _COLUMNS[self.axis]]


def newest_seconds(t: Floats, y: Floats, seconds: float) -> tuple[Floats, Floats]:
    """Return the part of a series of rising times that is at most ``seconds`` older than its newest value."""
    if not len(t) or not math.isfinite(seconds):
        return t, y
    first = int(np.searchsorted(t, t[-1] - seconds))
    return t[first:], y[first:]
