"""The noise cameras are quick and show what they say."""

import numpy as np
import pytest

from opticstream.scope.camera import DummyCameraFastNoise, DummyCameraNoise
from support.memory_sink import HandClock, MemorySink


@pytest.mark.parametrize(("kind", "shape"), [(DummyCameraNoise, (256, 512)), (DummyCameraFastNoise, (560, 1280))])
def test_random_images_of_the_documented_size(kind: type[DummyCameraNoise], shape: tuple[int, int]) -> None:
    clock, sink = HandClock(), MemorySink(*shape, room=12)
    camera = kind(clock)
    assert (camera.height, camera.width) == shape
    assert {name: camera[name] for name in camera.settings} == {"framerate": "1000", "exposure": "25000", "gain": "0"}
    camera.connect(sink)
    for _ in range(12):
        camera.fetch()
        clock.now += 0.001
    assert len(sink.times) == 12
    assert abs(sink.frames.mean() - 127.5) < 0.5
    assert not np.array_equal(sink.frames[0], sink.frames[1])
    assert np.array_equal(sink.frames[0], sink.frames[10]) == (kind is DummyCameraFastNoise)


@pytest.mark.parametrize(
    ("name", "value"), [("framerate", "0"), ("exposure", "1e8"), ("exposure", "-1"), ("gain", "11"), ("gain", "high")]
)
def test_settings_have_their_ranges(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        DummyCameraNoise()[name] = value
