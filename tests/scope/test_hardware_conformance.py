"""The suite for hardware and cameras of one's own: what is good passes it, each fault is found."""

import threading
import time

import numpy as np
import pytest

from opticstream.scope.cameras import DummyCameraNoise
from opticstream.scope.hardware import HardwareManagerBase
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.testing import (
    CameraConformance,
    HardwareBench,
    HardwareConformance,
    NotConformant,
    check_camera,
    check_hardware,
)


@pytest.fixture(autouse=True, scope="module")
def patient_end():
    """Let nobody be killed at the end who is only slow: the exit codes tell of the devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTICSTREAM_SCOPE_GRACE_S", "60")
        yield


class Gauge(HardwareManagerBase):
    """Counts its rows."""

    loop_interval_s = 0.02

    def setup(self):
        self.connect()

    def connect(self):
        self.count = 0
        self._is_connected = True

    def disconnect(self):
        if not self._is_connected:
            raise RuntimeError("it was never there")

    def fetch(self):
        self.count += 1
        self._buffer.write([[time.time(), self.count]])


class Unplugged(Gauge):
    def connect(self):
        raise OSError("nobody plugged it in")

    def disconnect(self):
        pass


class Bad(Gauge):
    """Its times stand still, and it does not let go."""

    def fetch(self):
        self._buffer.write([[1e9, 0.0]])

    def disconnect(self):
        raise OSError("will not let go")


class OpensTooEarly(Gauge):
    def __init__(self):
        super().__init__()
        self.port = threading.Lock()  # as a driver's handle, nothing that another process could have


class Motor(SimulatedFocusMotor):
    def __init__(self):
        super().__init__(1000.0)


class WithAllProcesses:
    """Waits until the last process of the scope has started, so that none seems to be left by a test."""

    @classmethod
    def setup_class(cls):
        super().setup_class()
        cls._bench.until(lambda: cls._bench.scope.shared_values.frames_tracked.value, "tracked frames")


class TestMotor(WithAllProcesses, HardwareConformance):
    make = Motor


class SmallNoise(DummyCameraNoise):
    width, height = 64, 48


class TestNoise(WithAllProcesses, CameraConformance):
    make = SmallNoise


def test_a_gauge_passes_and_its_rows_are_there_once(tmp_path):
    check_hardware(Gauge, folder=tmp_path)
    rows = np.loadtxt(tmp_path / "Gauge.txt")
    assert (np.diff(rows[:, 0]) > 0).all()
    assert (np.diff(rows[:, 1]) != 1).sum() == 1  # it counted anew when it was killed, and no row is missing before
    assert (tmp_path / "Gauge.txt").read_text("utf-8").splitlines()[0] == "# timestamp value_1"


def test_a_setup_that_fails_is_told():
    with pytest.raises(NotConformant, match="nobody plugged it in"):
        HardwareBench(Unplugged).__enter__()


def test_faults_are_found():
    with HardwareBench(Bad) as bench:
        with pytest.raises(NotConformant, match="times that do not rise"):
            bench.fetches_rows()
        with pytest.raises(NotConformant, match="exit code 1"):
            bench.lets_go()


def test_what_cannot_be_sent_is_found_before_anything_starts():
    with pytest.raises(NotConformant, match="Open devices in connect, not in __init__"):
        check_hardware(OpensTooEarly)
    with pytest.raises(NotConformant, match="expected a HardwareManagerBase"):
        check_hardware(SmallNoise)
    with pytest.raises(NotConformant, match="expected a CameraBase"):
        check_camera(Gauge)
