"""What a lab's own camera class gets from its base, and what is refused."""

import pickle
from typing import Any, ClassVar

import numpy as np
import pytest

from opticstream.core.errors import BadInput
from opticstream.scope.camera import CameraBase
from opticstream.scope.cameras.camera_health import CameraHealth, PlainCell
from support.memory_sink import MemorySink


class LabCamera(CameraBase):
    width, height, bits, dtype, nm_per_px = 6, 4, 12, np.uint16, 5000.0
    settings: ClassVar[list[str]] = ["framerate", "exposure"]

    def __init__(self) -> None:
        super().__init__()
        self.exposure = "5"

    def connect(self, video_buffer: Any) -> None:
        self.video_buffer = video_buffer

    def fetch(self) -> None:
        self.put(np.full((4, 6), 7, np.uint16), 12.5)

    def release(self) -> None:
        pass

    def get_setting(self, name: str) -> str:
        super().get_setting(name)
        return self.exposure if name == "exposure" else "30"

    def set_setting(self, name: str, value: str) -> None:
        super().set_setting(name, value)
        self.exposure = value


def _variant(**attributes: Any) -> type[LabCamera]:
    return type("Variant", (LabCamera,), attributes)


@pytest.mark.parametrize("name", ["width", "height", "bits", "dtype", "nm_per_px", "settings"])
def test_every_attribute_has_to_be_there(name: str) -> None:
    with pytest.raises(NotImplementedError, match=name):
        _variant(**{name: None})()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("width", value) for value in (0, -1, 2.5, "6", True)),
        *(("height", value) for value in (0, None.__class__)),
        *(("bits", value) for value in (0, 17)),
        *(("dtype", value) for value in (np.float32, np.int16, "nonsense")),
        *(("nm_per_px", value) for value in (0, -1.0, float("nan"), float("inf"), "wide")),
        ("settings", ["exposure"]),
    ],
)
def test_what_cannot_be_is_a_value_error_that_names_the_attribute(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        _variant(**{name: value})()
    assert isinstance(caught.value, BadInput)


def test_a_camera_that_says_nothing_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        CameraBase()  # type: ignore[abstract]


def test_two_cameras_of_a_class_may_have_different_pixels() -> None:
    class Own(LabCamera):
        def __init__(self, nm_per_px: float) -> None:
            self.nm_per_px = nm_per_px
            super().__init__()

    assert (Own(100.0).nm_per_px, Own(250.0).nm_per_px, Own.nm_per_px) == (100.0, 250.0, 5000.0)
    with pytest.raises(ValueError, match="nm_per_px"):
        Own(0.0)


def test_an_attribute_that_is_spoiled_later_is_found_before_connecting() -> None:
    camera = LabCamera()
    camera.width = 0
    with pytest.raises(ValueError, match="width"):
        camera.check_attributes()


def test_settings_by_name() -> None:
    camera = LabCamera()
    camera["exposure"] = 12
    assert camera["exposure"] == camera.get_setting("exposure") == "12"
    for work in (lambda: camera["gain"], lambda: camera.__setitem__("gain", 1), lambda: camera.get_setting("gain")):
        with pytest.raises(KeyError) as caught:
            work()
        assert str(caught.value) == "camera setting: found 'gain'; expected one of framerate, exposure"


def test_a_full_buffer_costs_the_frame_and_its_number_and_is_counted() -> None:
    camera, sink = LabCamera(), MemorySink(4, 6, np.uint16, room=2)
    camera.connect(sink)
    for _ in range(5):
        camera.fetch()
    assert (sink.numbers, sink.dropped) == ([0, 1], [2, 3, 4])
    assert (sink.frames == 7).all()
    health = camera.health
    assert (health.total_frames.value, health.queue_full_events.value, health.last_frame_timestamp.value) == (
        2,
        3,
        12.5,
    )
    camera.reset_health_counters()
    assert (health.total_frames.value, health.queue_full_events.value, health.last_frame_timestamp.value) == (0, 0, 0)


def test_frames_of_another_size_or_type_are_refused() -> None:
    camera = LabCamera()
    with pytest.raises(ValueError, match="connected"):
        camera.fetch()
    camera.connect(MemorySink(4, 6, np.uint16))
    for image in (np.zeros((6, 4), np.uint16), np.zeros((4, 6), np.uint8)):
        with pytest.raises(ValueError, match=r"\(4, 6\) of uint16"):
            camera.put(image, 0.0)


def test_timeouts_count_until_a_frame_comes() -> None:
    camera = LabCamera()
    shared = CameraHealth(consecutive_timeouts=PlainCell(3))
    camera.health = shared
    camera.report_timeout()
    assert shared.consecutive_timeouts.value == 4
    camera.report_frame_received(3.0)
    assert (shared.consecutive_timeouts.value, shared.total_frames.value) == (0, 1)


def test_a_camera_goes_to_another_process_before_it_is_connected() -> None:
    camera = pickle.loads(pickle.dumps(LabCamera()))
    camera.connect(MemorySink(4, 6, np.uint16))
    camera.fetch()
    camera.disconnect()
    assert camera.fetch_wait_s() == 0.002
