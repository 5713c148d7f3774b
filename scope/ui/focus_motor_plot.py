"""Where the focus is, over time."""

from opticstream.scope.ui.plots import TimeSeriesPlotBase


class FocusMotorPlot(TimeSeriesPlotBase):
    """z of a focus motor over time.

    Args:
        motor: name of its manager.
    """

    def __init__(self, motor: str) -> None:
        super().__init__(motor, "Focus (nm)")
