"""Tests of a camera for pytest."""

from collections.abc import Callable
from typing import Any, ClassVar

from opticstream.scope.cameras import CameraBase
from opticstream.scope.testing.camera_bench import CameraBench


class CameraConformance:
    """A test class for a camera of one's own; all its tests share one running scope.

    In a file of tests::

    class TestMine(CameraConformance):
        make = MyCamera
    """

    make: Callable[[], CameraBase]
    """Makes the camera."""
    _bench: ClassVar[CameraBench]

    @classmethod
    def setup_class(cls) -> None:
        """Start the scope with the camera."""
        make: Any = cls.__dict__.get("make") or cls.make
        cls._bench = CameraBench(getattr(make, "__func__", make)).__enter__()

    @classmethod
    def teardown_class(cls) -> None:
        """End the scope."""
        cls._bench.close()

    def test_frames_come_with_rising_numbers(self) -> None:
        """See `CameraBench.sends_frames`."""
        self._bench.sends_frames()

    def test_settings_can_be_read(self) -> None:
        """See `CameraBench.tells_settings`."""
        self._bench.tells_settings()

    def test_it_goes_on_after_a_kill_and_is_let_go(self) -> None:
        """See `CameraBench.survives_a_kill` and `CameraBench.lets_go`; the last of the tests, since the scope ends with it."""
        self._bench.survives_a_kill()
        self._bench.lets_go()
