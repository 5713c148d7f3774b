"""The commands of a scope, printed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from warnings import warn

from opticstream.scope.ipc import CommandRegistry, Delivery
from opticstream.scope.ipc.registry import MAG_SCOPE
from opticstream.scope.scripts import ScriptRegistry


class Listing:
    """Prints which commands there are, and who answers them."""

    processes: Mapping[str, Any]
    command_registry: CommandRegistry
    _running: bool
    _print_ipc_commands: bool
    _print_script_commands: bool

    if TYPE_CHECKING:  # of the scope's other parts

        def _collect_processes(self) -> None: ...

        def _setup_command_registry(self) -> None: ...

    @property
    def print_ipc_commands(self) -> bool:
        """Whether `start` prints the commands between processes, and returns."""
        return self._print_ipc_commands

    @print_ipc_commands.setter
    def print_ipc_commands(self, value: bool) -> None:
        if not self._running_already("print_ipc_commands"):
            self._print_ipc_commands = bool(value)

    @property
    def print_script_commands(self) -> bool:
        """Whether `start` prints the commands of scripts, and returns."""
        return self._print_script_commands

    @print_script_commands.setter
    def print_script_commands(self, value: bool) -> None:
        if not self._running_already("print_script_commands"):
            self._print_script_commands = bool(value)

    def _running_already(self, name: str) -> bool:
        if self._running:
            warn(f"MagScope is running: {name} is not changed", stacklevel=4)
        return self._running

    def print_registered_commands(self) -> None:
        """Print the commands between processes, by who answers them; nothing is started."""
        self._prepare()
        for target in (MAG_SCOPE, *self.processes):
            print(f"{target}:")
            lines = [
                f"  {spec.command.__name__} -> {spec.delivery.name} to "
                f"{'all' if spec.delivery is Delivery.BROADCAST else spec.target} via {spec.handler}"
                for spec in self.command_registry
                if spec.delivery is Delivery.BROADCAST or spec.target == target
            ]
            print("\n".join(sorted(lines)))

    def print_registered_script_commands(self) -> None:
        """Print the commands of scripts; nothing is started."""
        self._prepare()
        registry = ScriptRegistry(lambda command: None)
        for owner in (self, *self.processes.values()):
            registry.register_class_methods(type(owner))
        print("Script commands:")
        print("\n".join(f"  {line}" for line in registry.lines()))

    def _prepare(self) -> None:
        self._collect_processes()
        self._setup_command_registry()

    def _print_and_return(self) -> None:
        if self._print_ipc_commands:
            self.print_registered_commands()
        if self._print_script_commands:
            self.print_registered_script_commands()
