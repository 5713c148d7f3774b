"""Cameras of python-microscope are driven by the methods it documents."""

import pickle
from functools import partialmethod
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from opticstream.core.errors import BadInput
from opticstream.scope.camera import PythonMicroscopeCamera
from support.memory_sink import MemorySink


def _brightness(number: int, shape: tuple[int, int]) -> Any:
    return np.full(shape, number, np.uint16)


class Device:
    """A camera as python-microscope's users have one: picture n is n everywhere and was taken at second 1000 + n."""

    def __init__(self, shape: tuple[int, int] = (4, 6)) -> None:
        self.shape = shape
        self.taken = 0
        self.state: list[str] = []
        self.exposure = 0.01
        self.settings: dict[str, Any] = {"gain": 2, "cooling": True, "mode": "slow"}
        # What the camera does with a device is called by name only, so each of these is one of the library's names.
        self.get_setting, self.set_setting = self.settings.__getitem__, self.settings.__setitem__

    def _note(self, what: str) -> None:
        self.state.append(what)

    enable = partialmethod(_note, "enabled")
    disable = partialmethod(_note, "disabled")
    shutdown = partialmethod(_note, "shut down")

    def get_exposure_time(self) -> float:
        return self.exposure

    def set_exposure_time(self, seconds: float) -> None:
        self.exposure = seconds

    def grab_next_data(self, soft_trigger: bool = True) -> tuple[Any, float]:
        self.taken += 1
        return _brightness(self.taken, self.shape), 1000.0 + self.taken


class WaitingDevice(Device):
    """As a client of a device server has it."""

    def trigger_and_wait(self) -> Any:
        return self.grab_next_data()


SIZE: dict[str, Any] = {"width": 6, "height": 4, "bits": 12, "dtype": np.uint16, "nm_per_px": 65.0}
MAP: dict[str, Any] = {
    "exposure": ("get_exposure_time", "set_exposure_time"),
    "still": ("get_exposure_time", None),
    "gain": "gain",
    "cooling": "cooling",
    "mode": "mode",
}


@pytest.mark.parametrize("kind", [Device, WaitingDevice])
def test_each_fetch_is_an_image_with_the_time_of_its_device(kind: type[Device]) -> None:
    camera = pickle.loads(pickle.dumps(PythonMicroscopeCamera(device_factory=kind, **SIZE)))
    assert camera.fetch_wait_s() == 1.0
    sink = MemorySink(4, 6, np.uint16)
    camera.connect(sink)
    device = camera.device
    for _ in range(3):
        assert camera.fetch_wait_s() == 0.0
        camera.fetch()
    assert (sink.times, sink.numbers) == ([1001.0, 1002.0, 1003.0], [0, 1, 2])
    assert sink.frames[:, 0, 0].tolist() == [1, 2, 3]
    assert float(camera["framerate"]) > 0
    camera.disconnect()
    camera.disconnect()
    assert device.state == ["enabled", "disabled", "shut down"]


def test_a_device_that_was_given_is_left_to_its_owner() -> None:
    device = Device()
    camera = PythonMicroscopeCamera(device=device, **SIZE)
    camera.connect(MemorySink(4, 6, np.uint16))
    camera.disconnect()
    assert device.state == ["enabled", "disabled"]


def test_images_of_another_size_are_refused() -> None:
    camera = PythonMicroscopeCamera(device=Device((6, 4)), **SIZE)
    camera.connect(MemorySink(4, 6, np.uint16))
    with pytest.raises(ValueError, match=r"\(6, 4\).*\(4, 6\)"):
        camera.fetch()


def test_settings_are_those_that_are_mapped() -> None:
    device = Device()
    camera = PythonMicroscopeCamera(device=device, settings_map=MAP, **SIZE)
    assert camera.settings == ["framerate", *MAP]
    assert camera["gain"] == ""
    with pytest.raises(ValueError, match="connected"):
        camera["gain"] = 3
    camera.connect(MemorySink(4, 6, np.uint16))
    for name, value, kept in (
        ("exposure", "0.25", 0.25), ("gain", "7", 7), ("cooling", "off", False), ("mode", "fast", "fast")
    ):  # fmt: skip
        camera[name] = value
        assert camera[name] == str(kept)
    assert device.exposure == 0.25
    assert device.settings == {"gain": 7, "cooling": False, "mode": "fast"}
    for name, value in (("framerate", "3"), ("still", "3"), ("gain", "high"), ("gain", "2.5"), ("cooling", "maybe")):
        with pytest.raises(ValueError, match=name):
            camera[name] = value
    with pytest.raises(KeyError, match="binning"):
        camera["binning"]


@pytest.mark.parametrize("given", [{}, {"device": Device(), "device_uri": "PYRO:a@b:1"}])
def test_exactly_one_device_is_needed(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one of device, device_factory, device_uri"):
        PythonMicroscopeCamera(**given, **SIZE)


def test_the_size_has_to_be_said() -> None:
    with pytest.raises(NotImplementedError, match="width, height"):
        PythonMicroscopeCamera(device_factory=Device)


def test_what_is_no_camera_is_refused() -> None:
    with pytest.raises(BadInput, match="dict"):
        PythonMicroscopeCamera(device_factory=dict, **SIZE).connect(MemorySink(4, 6, np.uint16))


@pytest.mark.skipif(find_spec("microscope") is not None, reason="python-microscope is installed")
def test_without_the_package_a_device_server_is_out_of_reach_and_it_says_why() -> None:
    camera = PythonMicroscopeCamera(device_uri="PYRO:camera@localhost:8005", **SIZE)
    with pytest.raises(BadInput, match="pip install microscope"):
        camera.connect(MemorySink(4, 6, np.uint16))
