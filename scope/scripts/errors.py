"""What scripts do wrong: each is one of our errors, and the built-in one that the documented API promises."""

from opticstream.core.errors import BadInput, OpticstreamError


class ScriptTypeError(BadInput, TypeError):
    """Raised when what a script gives is of the wrong kind."""


class ScriptValueError(BadInput, ValueError):
    """Raised when what a script gives is of the right kind, but cannot be."""


class WaitTimeout(OpticstreamError, TimeoutError):
    """Raised in a script when what it waited for did not come in time; a generator may catch it at its ``yield``."""
