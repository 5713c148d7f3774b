"""The error of a key that no setting has."""

from opticstream.core.errors import BadInput


class UnknownSetting(BadInput, KeyError):
    """Raised for a key that is no setting of the scope; it is a ``KeyError`` too."""

    def __str__(self) -> str:
        return Exception.__str__(self)  # KeyError would show the text in quotes
