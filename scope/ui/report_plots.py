"""The plots of a scope's interface, drawn beside its tracks."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opticstream.core.errors import OpticstreamError
from opticstream.scope.ui.plots import TimeSeriesPlotBase, TracksPlot
from opticstream.scope.ui.render_plot import PlotSeries, render_plot

BEADS = 3
"""Curves in one panel."""


def draw_tracks(tracks: Any, path: Path) -> bool:
    """Draw x, y and z of the first beads over time, each from its mean; return whether there was anything to draw.

    Args:
        tracks: rows of the tracks buffer, (n, 7).
        path: the PNG file.

    Raises:
        WriteFailed: the file cannot be written.
    """
    rows = np.asarray(tracks, np.float64)
    series = []
    for axis in "xyz":
        for bead in np.unique(rows[:, 4][np.isfinite(rows[:, 4])])[:BEADS]:
            plot = TracksPlot(axis)
            plot.selected_bead = int(bead)
            t, y = plot.get_data(rows)
            if np.isfinite(y).any():
                series.append(PlotSeries(f"bead {int(bead)}", f"{axis.upper()} - mean (nm)", t, y - np.nanmean(y)))
    if series:
        render_plot(series, path, title="Beads")
    return bool(series)


def draw_plots(
    plots: Sequence[TimeSeriesPlotBase], rows: Callable[[str], Any], folder: Path, failed: Callable[[str, str], None]
) -> None:
    """Draw plots that users or devices have added into a folder, each as ``plot <what it shows>.png``.

    Args:
        plots: those of the same label are numbered.
        rows: returns the rows (n, columns) of a buffer by its name.
        folder: where the PNG files go.
        failed: is told which plot could not be drawn, and why.
    """
    names: Counter[str] = Counter()
    for plot in plots:
        try:
            t, y = plot.get_data(rows(plot.buffer_name))
            if not len(t):
                continue
            name = " ".join(["plot", *re.findall(r"\w+", plot.ylabel)])
            names[name] += 1
            path = folder / (f"{name}.png" if names[name] == 1 else f"{name} ({names[name] - 1}).png")
            render_plot([PlotSeries(plot.buffer_name, plot.ylabel, t, y)], path, title=plot.buffer_name)
        except Exception as error:  # a user's own plot raises what it likes
            why = str(error) if isinstance(error, OpticstreamError) else f"{type(error).__name__}: {error}"
            failed(f"the plot {plot.ylabel} was not drawn", why)
