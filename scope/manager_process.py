"""Base of all processes of a scope."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.acquisition import AcquisitionMode
from opticstream.scope.commands.broadcasts import (
    EchoCommand,
    QuitCommand,
    SetAcquisitionDirCommand,
    SetAcquisitionDirOnCommand,
    SetAcquisitionModeCommand,
    SetAcquisitionOnCommand,
    SetSettingsCommand,
    UpdateBeadRoisCommand,
)
from opticstream.scope.commands.scope import EchoedCommand, KeepStateCommand, ProcessReadyCommand
from opticstream.scope.commands.showing import ShowErrorCommand, ShowWarningCommand, UpdateValueCommand
from opticstream.scope.ipc import Command, Delivery, UnknownCommandError, register_ipc_command
from opticstream.scope.restart_policy import RestartPolicy
from opticstream.scope.shared import Shared

if TYPE_CHECKING:
    from opticstream.scope.settings import MagScopeSettings

logger = logging.getLogger("opticstream.scope")

_MOST_A_TURN = 200
"""Commands that are answered before the manager's own work gets its turn."""


class ManagerProcessBase(ABC):
    """One process of a scope: its own work in `do_main_loop`, and answers to commands.

    A manager is made and configured in the scope's process and sent to its own when the scope starts, so what it
    holds must be picklable. When its process dies it is sent anew, with what it asked to `keep`.
    """

    loop_interval_s: float = 0.25
    """How long the process sleeps at most between two turns of its main loop; a command wakes it at once."""

    def __init__(self) -> None:
        self._name = type(self).__name__
        self.restart_policy = RestartPolicy()
        self._process: SpawnProcess | None = None
        self._shared: Shared | None = None
        self._pipe: Connection | None = None
        self._kept: dict[str, Any] = {}
        self._quit_requested = False
        self._running = False
        self._handlers: dict[type[Command], str] = {}
        self._rois: tuple[NDArray[np.uint32], NDArray[np.uint32]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_process": None}

    # What a process is, seen from the scope's own.

    @property
    def name(self) -> str:
        """Name of the process; that of its class unless it has been given another."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def pid(self) -> int | None:
        """Id of the running process."""
        return self._process.pid if self._process is not None else None

    @property
    def exitcode(self) -> int | None:
        """How it ended; None: it has not, or never began."""
        return self._process.exitcode if self._process is not None else None

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most ``timeout`` seconds."""
        if self._process is not None:
            self._process.join(timeout)

    # What the process does.

    @abstractmethod
    def setup(self) -> None:
        """Prepare; called once in the process itself."""

    @abstractmethod
    def do_main_loop(self) -> None:
        """Do what is due; called again and again, and soon after whatever `waitables` wait for."""

    def waitables(self) -> Sequence[Any]:
        """Return what else wakes the main loop: connections, sockets, sentinels."""
        return ()

    def loop_wait_s(self) -> float:
        """Return how long the main loop may sleep now, s."""
        return self.loop_interval_s

    def cleanup(self) -> None:  # noqa: B027 - most have nothing to close
        """Close what `setup` opened; called in the process whenever it ends by itself, also after an exception."""

    def run(self) -> None:
        """Work until the scope ends."""
        self._running = True
        try:
            self.setup()
            self.send_ipc(ProcessReadyCommand(self.name))
            alive = self.shared.signs_of_life[self.name]
            while self._running:
                alive.expect(0.0)
                self.do_main_loop()
                self._sleep()
                for _ in range(_MOST_A_TURN):
                    if not self._running or not self.receive_ipc():
                        break
        finally:
            self._running = False
            try:
                self.cleanup()
            finally:
                if self._shared is not None:
                    self._shared.quitting_events[self.name].set()

    def _sleep(self) -> None:
        if self._running and self._pipe is not None:
            patience_s = max(0.0, self.loop_wait_s())
            self.shared.signs_of_life[self.name].expect(patience_s)
            wait([self._pipe, *self.waitables()], patience_s)

    def configure(self, shared: Shared, pipe: Connection, kept: dict[str, Any]) -> None:
        """Take over what the scope shares; called in the process itself, before `run`."""
        self._shared, self._pipe, self._kept = shared, pipe, dict(kept)
        self._handlers = shared.registry.handlers_for_target(self.name)

    # What the process knows.

    @property
    def shared(self) -> Shared:
        """What all processes share.

        Raises:
            RuntimeError: the scope has not started this process.
        """
        if self._shared is None:
            raise RuntimeError(f"{self.name} is not running: its pipe, locks, events and buffers come with the start")
        return self._shared

    @property
    def settings(self) -> "MagScopeSettings":
        """The scope's settings."""
        return self.shared.settings

    @property
    def video_buffer(self) -> Any:
        """Frames."""
        return self.shared.video_buffer

    @property
    def tracks_buffer(self) -> Any:
        """Rows of t s, x nm, y nm, z nm, bead, ROI x px, ROI y px."""
        return self.shared.tracks_buffer

    @property
    def bead_roi_buffer(self) -> Any:
        """Regions of the beads."""
        return self.shared.bead_roi_buffer

    @property
    def live_profile_buffer(self) -> Any:
        """Radial profile of the bead that is looked at."""
        return self.shared.live_profile_buffer

    @property
    def locks(self) -> dict[str, Any]:
        """Locks of the writers, by buffer; nobody needs one to read."""
        return self.shared.locks

    @property
    def shared_values(self) -> Any:
        """Numbers that several processes look at."""
        return self.shared.values

    @property
    def kept(self) -> dict[str, Any]:
        """What an earlier life of this process asked to `keep`."""
        return self._kept

    def get_cached_bead_rois(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return ids (n,) and regions x0, x1, y0, y1 (n, 4) of the beads, px."""
        if self._rois is None:
            self._rois = self.bead_roi_buffer.get_beads()
        return self._rois

    @property
    def bead_rois(self) -> dict[int, tuple[int, int, int, int]]:
        """Regions of the beads by id: x0, x1, y0, y1, px."""
        ids, rois = self.get_cached_bead_rois()
        return {
            int(one): (int(roi[0]), int(roi[1]), int(roi[2]), int(roi[3])) for one, roi in zip(ids, rois, strict=True)
        }

    @property
    def _acquisition_on(self) -> bool:
        return self.shared.acquisition.on

    @property
    def _acquisition_dir(self) -> str | None:
        return self.shared.acquisition.dir

    @property
    def _acquisition_dir_on(self) -> bool:
        return self.shared.acquisition.dir_on

    @property
    def _acquisition_mode(self) -> AcquisitionMode:
        return self.shared.acquisition.mode

    # Commands.

    def send_ipc(self, command: Command) -> None:
        """Send a command to whoever answers it; once the scope ends nothing is sent any more.

        Raises:
            RuntimeError: the process has not been started by a scope.
            UnknownCommandError: nobody registered the command.
        """
        shared = self.shared
        shared.registry.route_for(command)
        if self._quit_requested or shared.quitting.is_set() or self._pipe is None:
            return
        try:
            self._pipe.send(command)
        except OSError:  # the scope's own process is gone
            self._running = False

    def receive_ipc(self) -> bool:
        """Answer one command if one has come; return whether it had.

        Raises:
            UnknownCommandError: this process has no handler for it.
        """
        try:
            if self._pipe is None or not self._pipe.poll(0):
                return False
            command = self._pipe.recv()
        except (EOFError, OSError):
            logger.warning("the scope's own process is gone")
            self._running = False
            return False
        if not isinstance(command, Command):
            logger.warning("what came is no command: %r", command)
            return True
        handler = self._handlers.get(type(command))
        if handler is None:
            raise UnknownCommandError(type(command).__name__, found=f"{self.name} has no handler for it")
        try:
            getattr(self, handler)(**vars(command))
        except BadInput as error:  # somebody asked for what cannot be: no reason to die
            self.warn(f"{type(command).__name__} was not done", str(error))
        return True

    def keep(self, **state: Any) -> None:
        """Let the scope keep what this process needs when it has to be started anew; must be picklable."""
        self._kept |= state
        self.send_ipc(KeepStateCommand(self.name, state))

    def show(self, name: str, value: Any) -> None:
        """Tell whoever shows things a value."""
        self.send_ipc(UpdateValueCommand(name, value))

    def warn(self, text: str, details: str = "") -> None:
        """Tell of something that went wrong, and go on."""
        logger.warning("%s%s", text, _behind(details))
        self.send_ipc(ShowWarningCommand(text, details))

    def error(self, text: str, details: str = "") -> None:
        """Tell of something that somebody has to look at, and go on."""
        logger.error("%s%s", text, _behind(details))
        self.send_ipc(ShowErrorCommand(text, details))

    # Answers that every process gives.

    @register_ipc_command(QuitCommand, Delivery.BROADCAST)
    def quit(self) -> None:
        """End this process: after the present turn, orderly."""
        self._quit_requested = True
        self._running = False

    @register_ipc_command(EchoCommand, Delivery.BROADCAST)
    def echo(self, token: int) -> None:
        """Tell the scope that every command before this one has been answered."""
        self.send_ipc(EchoedCommand(token))

    @register_ipc_command(SetSettingsCommand, Delivery.BROADCAST)
    def set_settings(self, settings: Any) -> None:
        """Use other settings."""
        self.shared.settings = settings

    @register_ipc_command(SetAcquisitionOnCommand, Delivery.BROADCAST)
    def set_acquisition_on(self, value: bool) -> None:
        """Process frames, or let them pass."""
        self._acquire(on=bool(value))

    @register_ipc_command(SetAcquisitionDirCommand, Delivery.BROADCAST)
    def set_acquisition_dir(self, value: str | None) -> None:
        """Save into another folder."""
        self._acquire(dir=value)

    @register_ipc_command(SetAcquisitionDirOnCommand, Delivery.BROADCAST)
    def set_acquisition_dir_on(self, value: bool) -> None:
        """Save, or do not."""
        self._acquire(dir_on=bool(value))

    @register_ipc_command(SetAcquisitionModeCommand, Delivery.BROADCAST)
    def set_acquisition_mode(self, mode: AcquisitionMode) -> None:
        """Track, save video, or both."""
        self._acquire(mode=AcquisitionMode(mode))

    @register_ipc_command(UpdateBeadRoisCommand, Delivery.BROADCAST)
    def refresh_bead_rois(self) -> None:
        """Read the regions of the beads again when they are next needed."""
        self._rois = None

    def _acquire(self, **changes: Any) -> None:
        self.shared.acquisition = replace(self.shared.acquisition, **changes)


def _behind(details: str) -> str:
    """Return details as they follow a text in the log, which names the process itself; tracebacks on lines of their own."""
    if not details:
        return ""
    return f":\n{details}" if "\n" in details else f" ({details})"
