"""Commands between the processes of a scope."""

from opticstream.scope.ipc.command import Command, Delivery
from opticstream.scope.ipc.errors import CommandConflictError, IpcError, MissingCommandHandlerError, UnknownCommandError
from opticstream.scope.ipc.registering import register_ipc_command
from opticstream.scope.ipc.registry import CommandRegistry, CommandSpec

__all__ = [
    "Command",
    "CommandConflictError",
    "CommandRegistry",
    "CommandSpec",
    "Delivery",
    "IpcError",
    "MissingCommandHandlerError",
    "UnknownCommandError",
    "register_ipc_command",
]
