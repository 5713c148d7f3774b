"""What people add to a scope's interface, and what it shows."""

from opticstream.scope.ui.controls import ControlPanelBase
from opticstream.scope.ui.focus_motor_panel import FocusMotorPanel
from opticstream.scope.ui.focus_motor_plot import FocusMotorPlot
from opticstream.scope.ui.plots import TimeSeriesPlotBase, TracksPlot, newest_seconds
from opticstream.scope.ui.render_plot import PlotSeries, render_plot, strokes_of
from opticstream.scope.ui.ui_state import UiNote, UiState, UiValue

__all__ = [
    "ControlPanelBase", "FocusMotorPanel", "FocusMotorPlot", "PlotSeries", "TimeSeriesPlotBase", "TracksPlot", "UiNote", "UiState", "UiValue",
    "newest_seconds", "render_plot", "strokes_of",
]  # fmt: skip
