"""Pictures of a recording, and the panel and plot that a focus motor brings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from opticstream.core.errors import BadInput
from opticstream.scope.commands.focus import MoveFocusMotorAbsoluteCommand
from opticstream.scope.files import RecordingInfo, TrackingFileWriter
from opticstream.scope.files.recorded_rows import RecordedRows
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.scope import MagScope
from opticstream.scope.ui import FocusMotorPanel, FocusMotorPlot, TimeSeriesPlotBase
from opticstream.scope.ui.report_plots import draw_plots, draw_tracks
from support.track_batches import FRAME_NS, START_NS, make_batch

_MOTOR = RecordingInfo(hardware={"Motor": ("time", "z")})


def _recorded(folder: Path, *, frames: int = 40) -> list[Path]:
    """Return two files of a recording, and a broken one between them."""
    files = []
    for number in range(2):
        writer = TrackingFileWriter(folder, _MOTOR, start_ns=START_NS + number)
        path = writer.append(make_batch(number, frames=frames, beads=4, bead0=2))
        assert path is not None
        assert writer.add_telemetry("Motor", [[number, 5.0], [number + 0.5, 6.0]])
        files.append(path)
        writer.close("the end")
    (folder / "broken.h5").write_bytes(b"no HDF5")
    return [files[0], folder / "broken.h5", files[1]]


def test_rows_of_a_recording_are_those_of_all_its_files(tmp_path: Path) -> None:
    recorded = RecordedRows(_recorded(tmp_path))
    rows = recorded.tracks(2)
    assert set(rows[:, 4]) == {2, 3}
    mine = rows[rows[:, 4] == 2]
    assert np.array_equal(mine[:, 1], np.arange(80)) and np.allclose(mine[:, 3], np.repeat([0, 1], 40))
    assert np.allclose(mine[:, 0], START_NS / 1e9 + np.arange(80) * FRAME_NS / 1e9, atol=1e-6)
    assert recorded.hardware("Motor").tolist() == [[0, 5], [0.5, 6], [1, 5], [1.5, 6]]
    assert recorded.hardware("Laser").shape == (0, 0)
    assert RecordedRows([]).tracks(3).shape == (0, 7)


def test_of_a_long_recording_every_so_many_frames_are_drawn(tmp_path: Path) -> None:
    rows = RecordedRows(_recorded(tmp_path)).tracks(2, most_rows=41)
    assert len(rows) <= 41
    assert np.unique(np.diff(rows[rows[:, 4] == 3][:, 1])[1:4]).tolist() == [4]


def test_the_picture_has_a_panel_for_each_axis(tmp_path: Path) -> None:
    rows = RecordedRows(_recorded(tmp_path)).tracks(3)
    assert draw_tracks(rows, tmp_path / "beads.png")
    with Image.open(tmp_path / "beads.png") as picture:
        assert picture.size == (1000, 70 + 3 * 150 + 2 * 46 + 34)
    assert not draw_tracks(np.empty((0, 7)), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_plots_that_fail_leave_the_others(tmp_path: Path) -> None:
    class Wrong(TimeSeriesPlotBase):
        def transform(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
            raise ZeroDivisionError("no calibration")

    rows: dict[str, Any] = {"Motor": np.array([[1.0, 5.0], [2.0, 6.0]]), "Silent": np.full((3, 2), np.nan)}
    failed: list[tuple[str, str]] = []
    plots = [FocusMotorPlot("Motor"), Wrong("Motor", "Force (pN)"), FocusMotorPlot("Motor")]
    plots += [TimeSeriesPlotBase("Silent", "Noise (dB/√Hz)"), TimeSeriesPlotBase("Gone", "Gone (nm)")]
    draw_plots(plots, rows.__getitem__, tmp_path, lambda text, why: failed.append((text, why)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot Focus nm (1).png", "plot Focus nm.png"]
    assert failed == [
        ("the plot Force (pN) was not drawn", "ZeroDivisionError: no calibration"),
        ("the plot Gone (nm) was not drawn", "KeyError: 'Gone'"),
    ]


def test_a_focus_motor_brings_its_plot_and_its_panel() -> None:
    scope = MagScope(name="with a motor")
    motor = SimulatedFocusMotor()
    scope.add_hardware(motor)
    scope.add_hardware(motor)
    (plot,) = scope.ui_manager.plots_to_add
    assert (plot.buffer_name, plot.ylabel) == ("SimulatedFocusMotor", "Focus (nm)")
    ((kind, _),) = scope.ui_manager.controls_to_add
    assert kind is FocusMotorPanel

    rows, sent = np.empty((0, 4)), []
    shared = SimpleNamespace(
        focus_motor=None, hardware_buffers={"SimulatedFocusMotor": SimpleNamespace(newest=lambda n: rows)}
    )
    panel = kind(SimpleNamespace(shared=shared, send_ipc=sent.append))
    for name in (None, "SimulatedFocusMotor"):
        shared.focus_motor = name
        panel.update()
        panel.move_by(10.0)
        assert not sent and panel.lines() == ["Focus motor"]
    rows = np.array([[1.0, 123.4, 200.0, 0.0]])
    panel.update()
    assert panel.lines() == ["Focus motor", "position: 123.4 nm", "target: 200.0 nm", "state: moving"]
    panel.move_by(-50.0)
    panel.move_to(7.0)
    assert sent == [MoveFocusMotorAbsoluteCommand(150.0), MoveFocusMotorAbsoluteCommand(7.0)]
    with pytest.raises(BadInput):
        FocusMotorPlot(" ")
