"""Settings of a camera: numbers within a range, given and read as text."""

import math
from dataclasses import dataclass
from typing import Any

from opticstream.core.errors import BadInput


class BadSetting(BadInput, ValueError):
    """Raised when a camera's setting is given a value it cannot have."""


class UnknownSetting(BadInput, KeyError):
    """Raised when a camera has no setting of that name."""

    __str__ = Exception.__str__  # a KeyError would show its text in quotes


@dataclass(frozen=True)
class CameraSetting:
    """What one setting may be."""

    default: float
    low: float
    high: float
    whole: bool = False
    """Only integers."""

    def parse(self, name: str, value: Any) -> float:
        """Return the number that ``value`` says.

        Raises:
            BadSetting: it is no number, not a whole one where it must be, or outside the range.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            raise BadSetting(
                f"camera setting {name}", found=repr(value), expected=f"{kind} from {self.low:g} to {self.high:g}"
            )
        return number

    def text(self, value: float) -> str:
        """Return ``value`` as it is shown."""
        return str(int(value)) if self.whole or value == int(value) else f"{value:g}"


def unknown_setting(name: str, known: list[str]) -> UnknownSetting:
    """Return the error for a name that is none of ``known``."""
    return UnknownSetting("camera setting", found=repr(name), expected=f"one of {', '.join(known)}")
