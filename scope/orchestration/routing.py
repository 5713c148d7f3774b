"""Commands from one process of a scope to another, through the scope's own."""

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from opticstream.scope.acquisition import Acquisition
from opticstream.scope.child_link import ChildLink
from opticstream.scope.commands.broadcasts import (
    EchoCommand,
    QuitCommand,
    SetAcquisitionDirCommand,
    SetAcquisitionDirOnCommand,
    SetAcquisitionModeCommand,
    SetAcquisitionOnCommand,
    SetSettingsCommand,
)
from opticstream.scope.commands.scope import (
    EchoedCommand,
    KeepFramesCommand,
    KeepStateCommand,
    LogExceptionCommand,
    ProcessReadyCommand,
    StartupReadyCommand,
)
from opticstream.scope.commands.scripts import UpdateScriptStatusCommand
from opticstream.scope.commands.showing import (
    ShowErrorCommand,
    ShowWarningCommand,
    UpdateCameraSettingCommand,
    UpdateValueCommand,
)
from opticstream.scope.ipc import Command, CommandRegistry, CommandSpec, Delivery
from opticstream.scope.ipc.registry import MAG_SCOPE
from opticstream.scope.orchestration.sent_commands import SentCommands

logger = logging.getLogger("opticstream.scope")

_ACQUISITION = {
    SetAcquisitionOnCommand: "on",
    SetAcquisitionDirCommand: "dir",
    SetAcquisitionDirOnCommand: "dir_on",
    SetAcquisitionModeCommand: "mode",
}
_NOT_A_COMMAND = object()


class Routing:
    """Takes commands off the pipes and hands them on; never waits for who gets them."""

    command_registry: CommandRegistry
    processes: Mapping[str, Any]
    pipes: dict[str, Connection]
    quitting_events: Mapping[str, Any]
    values: dict[str, Any]
    problems: deque[tuple[float, str, str]]
    _links: dict[str, ChildLink]
    _acquisition: Acquisition
    _settings: Any
    _sent: SentCommands
    _origin: str = MAG_SCOPE
    """Process whose command is handed on."""
    _quit_reason: str | None
    _command_registry_initialized: bool

    if TYPE_CHECKING:  # of the scope's other parts

        def _keep_choice(self, command: Command) -> None: ...

        def _settings_changed(self) -> None: ...

        def _waits_for_restart(self, changed: Mapping[str, Any]) -> list[ShowWarningCommand]: ...

    def _setup_command_registry(self) -> None:
        """Register what every process answers, and check that nothing is missing."""
        if not self._command_registry_initialized:
            self.command_registry.register_object(self, target="MagScope")
            for command, handler in (
                (LogExceptionCommand, "log_exception"),
                (StartupReadyCommand, "startup_ready"),
                (KeepStateCommand, "keep_state"),
                (KeepFramesCommand, "keep_frames"),
                (ProcessReadyCommand, "process_ready"),
                (EchoedCommand, "command_over"),
            ):
                self.command_registry.register(
                    command, handler=handler, owner=self, target="MagScope", delivery=Delivery.MAG_SCOPE
                )
            for manager in self.processes.values():
                self.command_registry.register_manager(manager)
            self._command_registry_initialized = True
        self.command_registry.validate_targets(self.processes)

    def receive_ipc(self) -> bool:
        """Take what has come on every pipe and hand it on; return whether there was anything."""
        handled = False
        for name, link in list(self._links.items()):
            self._origin = name
            while (command := self._read_command(link.pipe)) is not None:
                handled = True
                if command is not _NOT_A_COMMAND and isinstance(command, Command) and self._process_command(command):
                    return True
        self._origin = MAG_SCOPE
        return handled

    def command_over(self, token: int) -> None:
        """Note that a command from outside has been carried out."""
        self._sent.past(token)

    def _read_command(self, pipe: Connection) -> Command | object | None:
        """Return the command that waits in a pipe; None: nothing does, or its process has ended."""
        try:
            if not pipe.poll(0):
                return None
            found = pipe.recv()
        except (EOFError, OSError):
            return None
        if not isinstance(found, Command):
            logger.warning("what came from a process is no command: %r", found)
            return _NOT_A_COMMAND
        return found

    def _process_command(self, command: Command) -> bool:
        """Route a command; return whether the scope ends with it."""
        return self._route_command(command)

    def _route_command(self, command: Command) -> bool:
        """Hand a command to whoever it is for; return whether the scope ends with it."""
        spec = self.command_registry.route_for(command)
        match spec.delivery:
            case Delivery.MAG_SCOPE:
                self._dispatch_mag_scope_command(command, spec)
            case Delivery.BROADCAST:
                return self._handle_broadcast_command(command, spec)
            case Delivery.DIRECT:
                self._note(command)
                self._hand_on(command, spec.target)
        return False

    def _dispatch_mag_scope_command(self, command: Command, spec: CommandSpec) -> None:
        """Answer a command to the scope itself.

        Raises:
            RuntimeError: it has no such method.
        """
        handler = getattr(self, spec.handler, None)
        if handler is None:
            raise RuntimeError(f"the scope has no method {spec.handler} for {type(command).__name__}")
        try:
            handler(**vars(command))
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            self._refused(command, error)

    def _handle_broadcast_command(self, command: Command, spec: CommandSpec | None = None) -> bool:
        """Send a command to every process; return whether the scope ends with it."""
        if isinstance(command, QuitCommand):
            self._quit_reason = self._quit_reason or "asked to"
            return True
        if isinstance(command, EchoCommand):
            self._echo(command)
            return False
        if isinstance(command, SetSettingsCommand):
            late = self._waits_for_restart(command.settings)
            self._settings.update(command.settings)
            self._settings_changed()
            command = replace(command, settings=self._settings.clone())
            for one in late:
                self._process_command(one)
        elif type(command) in _ACQUISITION:
            (value,) = vars(command).values()
            self._acquisition = replace(self._acquisition, **{_ACQUISITION[type(command)]: value})
        for name in list(self._links):
            self._hand_on(command, name)
        return False

    def _echo(self, command: EchoCommand) -> None:
        """Hand an echo to the one process whose command it follows; the scope's own has been carried out."""
        target = self._sent.target(command.token)
        if target in self._links:
            self._hand_on(command, target)
        else:
            self._sent.past(command.token)

    def _hand_on(self, command: Command, name: str) -> None:
        link = self._links.get(name)
        if link is None:
            if name not in self.processes:
                logger.warning("%s is for %s, which is not there", type(command).__name__, name)
            return
        if link.is_alive() and not self.quitting_events[name].is_set():
            link.send(command)

    def _note(self, command: Command) -> None:
        """Keep what is shown: whoever asks from outside asks this process."""
        self._keep_choice(command)
        match command:
            case UpdateValueCommand(name, value):
                self.values[name] = value
            case UpdateCameraSettingCommand(name, value):
                self.values[f"camera {name}"] = value
            case UpdateScriptStatusCommand(status, step, error):
                self.values["script"] = {"status": status, "step": step, "error": error}
            case ShowWarningCommand(text, details) | ShowErrorCommand(text, details):
                self.problems.append((time.time(), text, details))
                self._sent.told(self._origin, text, details)

    def _refused(self, command: Command, error: Exception) -> None:
        logger.warning("%s: %s", type(command).__name__, error)
        self._sent.told(MAG_SCOPE, f"{type(command).__name__} was not done", str(error))
