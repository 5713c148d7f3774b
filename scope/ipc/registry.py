"""Who answers which command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

from opticstream.scope.ipc.command import Command, Delivery
from opticstream.scope.ipc.errors import CommandConflictError, MissingCommandHandlerError, UnknownCommandError
from opticstream.scope.ipc.registering import registrations

MAG_SCOPE = "MagScope"
"""Name of the parent process among the targets."""
_REGISTER = "Register it with @register_ipc_command before the scope starts."


@dataclass(frozen=True)
class CommandSpec:
    """Where a command goes, and which method answers it there."""

    command: type[Command]
    delivery: Delivery
    target: str
    """Name of a process; of a broadcast: of the first owner that registered it."""
    handler: str


class CommandRegistry:
    """All commands of one scope. Is complete before the first process starts, and the same in each."""

    def __init__(self) -> None:
        self._specs: dict[type[Command], CommandSpec] = {}

    def __contains__(self, command: object) -> bool:
        return command in self._specs

    def __iter__(self) -> Any:
        return iter(self._specs.values())

    def register(
        self,
        command: type[Command],
        *,
        handler: str,
        owner: object,
        target: str,
        delivery: Delivery | str = Delivery.DIRECT,
    ) -> CommandSpec:
        """Register one handler.

        Args:
            command: a dataclass derived from :class:`Command`.
            handler: name of a method of ``owner``.
            owner: the manager, or the scope.
            target: name of the process that answers.
            delivery: to whom such commands go.

        Raises:
            TypeError: ``command`` is no command.
            ValueError: ``target`` is empty.
            MissingCommandHandlerError: ``owner`` has no such method.
            CommandConflictError: the command has another handler, or the handler another command.
        """
        if not isinstance(command, type) or not is_dataclass(command):
            raise TypeError(f"a command is a dataclass, not {command!r}")
        if not issubclass(command, Command):
            raise TypeError(f"{command.__name__} is not derived from opticstream.scope.ipc.Command")
        if not target:
            raise ValueError(f"{command.__name__}: the name of its target is empty")
        if not callable(getattr(owner, handler, None)):
            raise MissingCommandHandlerError(
                command.__name__, found=f"{type(owner).__name__} has no method {handler}", expected="its handler"
            )
        spec = CommandSpec(command, Delivery(delivery), target, handler)
        known = self._specs.get(command)
        if known is not None:
            return self._same(known, spec)
        for other in self._specs.values():
            if (other.target, other.handler) == (target, handler) and Delivery.BROADCAST not in (
                other.delivery,
                spec.delivery,
            ):
                raise CommandConflictError(
                    command.__name__,
                    found=f"{target}.{handler} already answers {other.command.__name__}",
                    expected="a handler of its own",
                )
        self._specs[command] = spec
        return spec

    def register_manager(self, manager: Any) -> None:
        """Register what a manager's methods answer; a command without a target goes to the manager by its name.

        Raises:
            CommandConflictError: see `register`.
        """
        self.register_object(manager, target=manager.name)

    def register_object(self, owner: object, *, target: str) -> None:
        """Register what an object's methods answer in the process called ``target``."""
        for handler, found in registrations(owner).items():
            for one in found:
                self.register(
                    one.command, handler=handler, owner=owner, target=one.target or target, delivery=one.delivery
                )

    def route_for(self, command: Command | type[Command]) -> CommandSpec:
        """Return where a command goes.

        Raises:
            UnknownCommandError: it was never registered.
        """
        kind = command if isinstance(command, type) else type(command)
        try:
            return self._specs[kind]
        except KeyError:
            raise UnknownCommandError(kind.__name__, found="a command nobody registered", action=_REGISTER) from None

    def handler_of(self, command: type[Command]) -> str | None:
        """Return the name of the method that answers a command; None: nobody registered it."""
        spec = self._specs.get(command)
        return None if spec is None else spec.handler

    def handlers_for_target(self, target: str) -> dict[type[Command], str]:
        """Return the handlers of one process: its own commands and every broadcast."""
        return {
            spec.command: spec.handler
            for spec in self._specs.values()
            if spec.delivery is Delivery.BROADCAST or spec.target == target
        }

    def command_for_handler(self, owner: str, handler: str) -> type[Command]:
        """Return the command that a process's method answers.

        Raises:
            UnknownCommandError: it answers none.
        """
        for command, name in self.handlers_for_target(owner).items():
            if name == handler:
                return command
        raise UnknownCommandError(f"{owner}.{handler}", found="a method that answers no command", action=_REGISTER)

    def named(self, name: str) -> type[Command]:
        """Return the command of that name, with or without ``Command`` at its end.

        Raises:
            UnknownCommandError: there is none; close names are told.
        """
        import difflib

        known = {command.__name__: command for command in self._specs}
        for wanted in (name, f"{name}Command"):
            if wanted in known:
                return known[wanted]
        short = [one.removesuffix("Command") for one in known]
        close = difflib.get_close_matches(name.removesuffix("Command"), short, 3, 0.5)
        raise UnknownCommandError(name, found="no such command", expected=" or ".join(close) or "a registered one")

    def validate_targets(self, processes: Mapping[str, object]) -> None:
        """Check, before anything starts, that every command will find its handler.

        Raises:
            MissingCommandHandlerError: a process or a method is not there.
        """
        for spec in self._specs.values():
            if spec.delivery is Delivery.MAG_SCOPE:
                continue
            if spec.delivery is Delivery.DIRECT and spec.target not in processes:
                raise MissingCommandHandlerError(
                    spec.command.__name__,
                    found=f"no process {spec.target}",
                    expected=f"one of {', '.join(processes) or 'none'}",
                )
            there: Iterable[tuple[str, object]] = (
                processes.items() if spec.delivery is Delivery.BROADCAST else [(spec.target, processes[spec.target])]
            )
            for name, process in there:
                if not callable(getattr(process, spec.handler, None)):
                    raise MissingCommandHandlerError(
                        spec.command.__name__, found=f"{name} has no method {spec.handler}", expected="its handler"
                    )

    def _same(self, known: CommandSpec, spec: CommandSpec) -> CommandSpec:
        broadcast = Delivery.BROADCAST is known.delivery is spec.delivery
        if known == spec or (broadcast and known.handler == spec.handler):
            return known
        raise CommandConflictError(
            spec.command.__name__,
            found=f"{spec.target}.{spec.handler} ({spec.delivery})",
            expected=f"{known.target}.{known.handler} ({known.delivery}), registered before",
        )
