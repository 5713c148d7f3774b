"""What one setting may be."""

import math
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

import numpy as np

from opticstream.scope.bad_value import BadValue

SettingValue = bool | int | float | str

_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class SettingSpec:
    """Key, default and range of one setting of the scope."""

    key: str
    default: SettingValue
    kind: Literal["bool", "int", "float", "color"]
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    even: bool = False
    restart: bool = False
    """Whether a change takes effect only when the scope is started anew."""

    @property
    def variable(self) -> str:
        """Name of the environment variable that overrides the stored value."""
        return f"OPTICSTREAM_SCOPE__{self.field.upper()}"

    @property
    def field(self) -> str:
        """The key as a Python name."""
        return self.key.lower().replace("-", "_").replace(" ", "_")

    @property
    def expected(self) -> str:
        """What values are taken, in words."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "color":
            return "a colour #RRGGBB"
        kind = f"an {'even ' if self.even else ''}integer" if self.kind == "int" else "a number"
        if self.maximum is not None:
            return f"{kind} from {self.minimum:g} to {self.maximum:g}"
        return kind if self.minimum is None else f"{kind}, {self.minimum:g} or more"

    def coerce(self, value: object) -> SettingValue:
        """Return a value as this setting holds it; texts are read as what they say.

        Raises:
            BadValue: it has the wrong type, lies outside the range, or is odd where an even number is needed.
        """
        found = self._read(value.strip() if isinstance(value, str) else value)
        if found is None or not self._in_range(found):
            raise BadValue(f"setting {self.key!r}", found=repr(value), expected=self.expected)
        return found

    def _read(self, value: object) -> SettingValue | None:
        if self.kind == "bool":
            return _as_bool(value)
        if self.kind == "color":
            return value if isinstance(value, str) and _COLOR.fullmatch(value) else None
        number = _as_number(value)
        if number is None:
            return None
        if self.kind == "float":
            return float(number)
        return int(number) if number == int(number) else None

    def _in_range(self, value: SettingValue) -> bool:
        if isinstance(value, bool | str):
            return True
        if self.even and value % 2:
            return False
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)


def _as_bool(value: object) -> bool | None:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral) and value in (0, 1):
        return value == 1
    text = value.lower() if isinstance(value, str) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _as_number(value: object) -> int | float | None:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return None
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer beyond what a float can hold
        return None
    if isinstance(value, Integral):
        return int(value)
    return float(value) if finite else None
