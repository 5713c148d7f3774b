"""The error of a check."""

from opticstream.core.errors import BadInput


class NotConformant(BadInput, AssertionError):
    """Raised when a manager or camera does not do what a scope expects; an assertion error, so pytest shows it so."""
