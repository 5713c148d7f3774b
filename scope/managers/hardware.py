"""Base of processes that own a device."""

import logging
import time
from abc import abstractmethod
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opticstream.core.errors import OpticstreamError
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opticstream.scope.files import TelemetryFile
    from opticstream.scope.ui.controls import ControlPanelBase
    from opticstream.scope.ui.plots import TimeSeriesPlotBase

logger = logging.getLogger("opticstream.scope")

_SAVE_S = 1.0
"""How often rows are saved: each time waits for the disk, the device does not have to as often."""
_SAVED = "telemetry_at"


class HardwareManagerBase(ManagerProcessBase):
    """Owns one device: connects to it, fetches its values into a buffer, saves them beside the tracks.

    Write a class with `connect`, `disconnect` and `fetch`, and give an instance to ``scope.add_hardware``. Each
    `fetch` may write rows into ``self._buffer``, (n, columns): the Unix time in seconds, then the device's values.

    Nobody calls `connect` by itself: do so in `setup`, or in the answer to a command. `fetch` is called in either
    case, so it looks at ``self._is_connected``, which `connect` sets. `disconnect` is called once when the process
    ends, also if it was never connected.
    """

    buffer_shape: tuple[int, int] = (1000, 2)
    """Rows and columns of its buffer."""
    loop_interval_s = 0.05
    """How often `fetch` is called, s."""

    def __init__(self) -> None:
        super().__init__()
        self._is_connected = False
        self._telemetry: TelemetryFile | None = None
        self._saved_at = 0.0
        self._save_failed = False
        self._continues = False
        """Whether the file's last row is one that this life of the process wrote."""

    @property
    def _buffer(self) -> Any:
        return self.shared.hardware_buffers[self.name]

    @property
    def is_connected(self) -> bool:
        """Whether the device is there."""
        return self._is_connected

    def configure(self, shared: Shared, pipe: Connection, kept: dict[str, Any]) -> None:
        """Take over what the scope shares; rows that an earlier life of this process has saved are not saved again."""
        super().configure(shared, pipe, kept)
        at = self.kept.get(_SAVED)
        self._buffer.position = self._buffer.written if at is None else at

    def setup(self) -> None:
        """Prepare; a subclass that is to be connected from the start calls `connect` here."""

    @abstractmethod
    def connect(self) -> None:
        """Connect to the device, and set ``self._is_connected``."""

    @abstractmethod
    def disconnect(self) -> None:
        """Let the device go."""

    @abstractmethod
    def fetch(self) -> None:
        """Read the device and write what it says into the buffer."""

    def do_main_loop(self) -> None:
        """Read the device, and save what is new where the scope saves."""
        self.fetch()
        self._save_pending_data_if_enabled()

    def cleanup(self) -> None:
        """Save the rest and let the device go."""
        try:
            self._save_pending_data()
        finally:
            self.disconnect()
            self._is_connected = False

    def telemetry_columns(self) -> list[str]:
        """Return the names of the saved columns; the first is the time."""
        return ["timestamp", *(f"value_{number}" for number in range(1, self.buffer_shape[1]))]

    def plots(self) -> "Sequence[TimeSeriesPlotBase]":
        """Return plots of its buffer that the scope's report is to have; called in the scope's process."""
        return ()

    def panels(self) -> "Sequence[type[ControlPanelBase]]":
        """Return panels that the interface is to have for it; called in the scope's process."""
        return ()

    def _save_pending_data_if_enabled(self) -> None:
        """Save rows that are due, in the folder the scope saves into; where it does not, they are passed over."""
        acquisition = self.shared.acquisition
        folder = acquisition.dir if acquisition.saving else None
        if self._telemetry is not None and str(self._telemetry.path.parent) != folder:
            self._save_pending_data()
            self._telemetry = None
        if folder is None:
            self._buffer.position = self._buffer.written
            if self.kept.get(_SAVED) is not None:
                self.keep(**{_SAVED: None})
        elif self._telemetry is None:
            from opticstream.scope.files import TelemetryFile

            self._continues = False
            header = " ".join(self.telemetry_columns())
            self._telemetry = TelemetryFile(Path(folder), self.name, self.buffer_shape[1], header)
            self.keep(**{_SAVED: self._buffer.position})
        elif time.monotonic() - self._saved_at >= _SAVE_S:
            self._save_pending_data()

    def _save_pending_data(self) -> None:
        if self._telemetry is None:
            return
        self._saved_at = time.monotonic()
        position = self._buffer.position
        try:
            rows = self._buffer.read()
            # Whoever is killed while it saves cannot say how far it came; the file can.
            self._telemetry.append(rows if self._continues else self._telemetry.missing(rows))
        except OpticstreamError as error:
            self._buffer.position = position  # they are tried again as long as the buffer holds them
            if not self._save_failed:
                self.error(f"rows of {self.name} were not saved", str(error))
            self._save_failed = True
            return
        self._save_failed, self._continues = False, True
        self.keep(**{_SAVED: self._buffer.position})
