"""Cameras that the package python-microscope drives, in this process or on a device server."""

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.cameras.camera_base import BadCamera, CameraBase
from opticstream.scope.cameras.camera_setting import BadSetting
from opticstream.scope.cameras.frame_schedule import FrameRate
from opticstream.scope.cameras.frame_sink import FrameSink


class PythonMicroscopeCamera(CameraBase):
    """Wraps a camera of python-microscope (``pip install microscope``).

    Each fetch triggers one image and waits for it. ``framerate`` reads what was measured over the last second. Other
    settings are those of ``settings_map``; one that is not in it cannot be set.

    Frames of a device in this process keep its timestamps; those of a device server are dated when they arrive, since
    its clock is another.

    A subclass may set ``width``, ``height``, ``bits``, ``dtype`` and ``nm_per_px`` as class attributes instead of
    giving them here.

    Args:
        device: the device itself; it must be picklable, so ``device_factory`` mostly serves better.
        device_factory: makes the device in the process of the camera; a function of a module, not a lambda.
        device_uri: Pyro address of a device server's camera, ``PYRO:name@host:port``.
        settings_map: our name of a setting → the device's name of it (``get_setting``, ``set_setting``), or a pair of
            methods that read and set it, the latter None where it is read-only: ``{"exposure":
            ("get_exposure_time", "set_exposure_time"), "gain": "gain"}``.
        width: px.
        height: px.
        bits: of a pixel that carry light.
        dtype: of a pixel.
        nm_per_px: edge of a pixel, nm.

    Raises:
        BadCamera: (a ValueError) not exactly one of the three devices is given.
        NotImplementedError: the size or type of the frames is given nowhere.
    """

    def __init__(
        self,
        *,
        device: Any = None,
        device_factory: Callable[[], Any] | None = None,
        device_uri: str | None = None,
        settings_map: Mapping[str, str | tuple[str, str | None]] | None = None,
        width: int | None = None,
        height: int | None = None,
        bits: int | None = None,
        dtype: DTypeLike | None = None,
        nm_per_px: float | None = None,
    ) -> None:
        sources = {"device": device, "device_factory": device_factory, "device_uri": device_uri}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) != 1:
            raise BadCamera(
                type(self).__name__, found=" and ".join(given) or "no device", expected=f"one of {', '.join(sources)}"
            )
        own = {"width": width, "height": height, "bits": bits, "dtype": dtype, "nm_per_px": nm_per_px}
        self.__dict__.update({name: value for name, value in own.items() if value is not None})
        self.settings_map = dict(settings_map or {})
        # An instance's own: other devices have other settings.
        self.__dict__["settings"] = list(dict.fromkeys(["framerate", *self.settings_map]))
        self._given, self._factory, self._uri = device, device_factory, device_uri
        self.device: Any = None
        self._measured = FrameRate()
        super().__init__()

    def connect(self, video_buffer: FrameSink) -> None:
        """Open and enable the device.

        Raises:
            BadInput: python-microscope is not installed, or the device is none of its cameras.
        """
        self.check_attributes()
        self.device = self._open()
        if not (callable(getattr(self.device, "trigger_and_wait", None)) or callable(self._grab())):
            self.device, found = None, type(self.device).__name__
            raise BadInput(
                "python-microscope camera", found=found, expected="a device with grab_next_data or trigger_and_wait"
            )
        self.device.enable()
        self._measured = FrameRate()
        self.video_buffer = video_buffer

    def _open(self) -> Any:
        if self._factory is not None:
            return self._factory()
        if self._uri is None:
            return self._given
        try:
            clients = importlib.import_module("microscope.clients")
        except ImportError as error:
            raise BadInput(
                f"python-microscope camera {self._uri}",
                found=f"no package microscope ({error})",
                expected="python-microscope in this environment",
                action="Install it: pip install microscope",
            ) from None
        return clients.DataClient(self._uri)

    def _grab(self) -> Any:
        return getattr(self.device, "grab_next_data", None)

    def fetch(self) -> None:
        """Trigger an image, wait for it and put it into the buffer.

        Raises:
            BadCamera: (a ValueError) it is not the size or type the camera said.
        """
        if self.device is None or self.video_buffer is None:
            return
        wait = getattr(self.device, "trigger_and_wait", None)
        answer = wait() if callable(wait) else self._grab()()
        image, t = answer if isinstance(answer, tuple) else (answer, None)
        if image is None:
            self.report_timeout()
            return
        if self._uri is not None or not isinstance(t, int | float) or t <= 0:
            t = time.time()
        frame: NDArray[Any] = np.asarray(image)
        if self.put(frame, float(t)):
            self._measured.add(time.time())

    def fetch_wait_s(self) -> float:
        """Return 0: :meth:`fetch` waits for the device itself; 1 without a device."""
        return 0.0 if self.device is not None else 1.0

    def release(self) -> None:
        """Do nothing: the device's buffers are its own."""

    def disconnect(self) -> None:
        """Disable the device, and shut it down if it was made here; a device server goes on."""
        device, self.device = self.device, None
        if device is None:
            return
        device.disable()
        if self._factory is not None:
            device.shutdown()

    def get_setting(self, name: str) -> str:
        """Return a setting of the device; ``framerate`` as measured, unless it is mapped.

        Raises:
            KeyError: there is no such setting.
        """
        super().get_setting(name)
        if name not in self.settings_map:
            return f"{self._measured.per_second(time.time()):.2f}"
        if self.device is None:
            return ""
        mapped = self.settings_map[name]
        return str(self.device.get_setting(mapped) if isinstance(mapped, str) else getattr(self.device, mapped[0])())

    def set_setting(self, name: str, value: str) -> None:
        """Change a setting of the device; the text becomes what the device's present value is.

        Raises:
            KeyError: there is no such setting.
            BadSetting: (a ValueError) it is read-only, the device is not connected, or the text is no such value.
        """
        super().set_setting(name, value)
        mapped = self.settings_map.get(name)
        if mapped is None or (not isinstance(mapped, str) and mapped[1] is None):
            raise BadSetting(f"camera setting {name}", found=repr(value), expected="to be read only")
        if self.device is None:
            raise BadSetting(f"camera setting {name}", found="no device", expected="a camera that is connected")
        if isinstance(mapped, str):
            self.device.set_setting(mapped, _as(name, value, self.device.get_setting(mapped)))
        else:
            getattr(self.device, str(mapped[1]))(_as(name, value, getattr(self.device, mapped[0])()))


def _as(name: str, text: str, present: Any) -> Any:
    """Return ``text`` as the type of the present value; devices take no numbers as text."""
    if isinstance(present, bool):
        if text.lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return text.lower() in ("true", "1", "yes", "on")
        raise BadSetting(f"camera setting {name}", found=repr(text), expected="true or false")
    try:
        return type(present)(text) if isinstance(present, int | float) else text
    except ValueError:
        kind = "a whole number" if isinstance(present, int) else "a number"
        raise BadSetting(f"camera setting {name}", found=repr(text), expected=kind) from None
