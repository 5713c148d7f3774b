"""What can be wrong with commands."""

from opticstream.core.errors import BadInput


class IpcError(BadInput):
    """Base of what is wrong with a command or its handler."""


class MissingCommandHandlerError(IpcError):
    """Raised when nobody there answers a command: no such process, or it has no such method."""


class CommandConflictError(IpcError):
    """Raised when one command is registered with two handlers, or one handler for two commands."""


class UnknownCommandError(IpcError):
    """Raised when a command was never registered."""
