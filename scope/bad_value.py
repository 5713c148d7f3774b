"""The error of a value that the documented API of the scope answers with ValueError."""

from opticstream.core.errors import BadInput


class BadValue(BadInput, ValueError):
    """Raised when a setting, a region or a parameter of the scope cannot be used; it is a ``ValueError`` too."""
