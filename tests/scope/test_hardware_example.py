"""The example of a device of one's own does what it says."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from opticstream.scope.settings import MagScopeSettings
from opticstream.scope.ui.controls import ControlPanelBase
from support.repository import ROOT
from support.running_scope import ONE_WORKER, QUICK, kernels, running
from support.waiting import until


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    yield importlib.import_module("scope_hardware")
    del sys.modules["scope_hardware"]


def test_a_device_with_its_command_plot_panel_and_script(example, tmp_path):
    scope = example.make_scope(tmp_path)
    scope.settings.update(MagScopeSettings(QUICK | ONE_WORKER))
    scope.kernel_cache = kernels()
    with running(scope):
        until(lambda: scope.values.get("script", {}).get("status") in ("Finished", "Error"), "the script is over")
        assert scope.values["script"]["status"] == "Finished", scope.values["script"]["error"]
        rows = scope._hardware_buffers["PressureLaserBox"].newest(10_000)
        steps = list(dict.fromkeys(rows[:, 1]))
        assert steps[-3:] == [1.0, 2.0, 4.0]
        assert scope.values["laser power"] == 4.0

        scope.send(example.SetLaserPowerCommand(100.0))
        until(lambda: scope.problems, "a warning")
        assert "100 mW" in scope.problems[-1][1]

        box = scope._hardware["PressureLaserBox"]
        before, rows_before = box.pid, scope._hardware_buffers["PressureLaserBox"].written
        box._process.kill()
        until(lambda: box.pid != before and box.is_alive(), "another process")
        buffer = scope._hardware_buffers["PressureLaserBox"]
        until(lambda: buffer.written > rows_before + 2, "rows go on")
        assert buffer.newest(1)[0, 1] == 4.0  # as it was set
    assert scope.outcome.succeeded
    saved = np.loadtxt(tmp_path / "PressureLaserBox.txt")
    assert saved[:, 1].max() == 4.0 and (np.diff(saved[:, 0]) > 0).all()
    assert (tmp_path / "PressureLaserBox.txt").read_text("utf-8").startswith("# timestamp laser_mw pressure_hpa\n")
    assert (tmp_path / "plot Pressure hPa.png").stat().st_size > 1000


def test_the_panel_shows_the_newest_row_and_sends_its_command(example):
    class Buffer:
        def newest(self, n):
            return np.array([[1.0, 3.0, 1013.2]])

    sent = []
    shared = SimpleNamespace(hardware_buffers={"PressureLaserBox": Buffer()})
    panel = example.LaserPanel(SimpleNamespace(shared=shared, send_ipc=sent.append))
    assert isinstance(panel, ControlPanelBase)
    panel.update()
    assert panel.lines() == ["Laser", "power: 3.0 mW", "pressure: 1013.2 hPa"]
    panel.switch_off()
    assert sent == [example.SetLaserPowerCommand(0.0)]
