"""Values as Octave writes them."""

import math
from collections.abc import Mapping
from typing import Any

from opticstream.core.errors import BadInput

_EXACT = 1 << 53  # above it a literal would be rounded before it becomes an integer


def octave_literal(value: Any) -> str:
    """Return the expression that gives a value, as MATLAB's engine would hand it over.

    A text is a char row of its UTF-8 bytes, true and false are logical, an int is an int64, a float a double, a list a
    cell row, a mapping a struct.

    Raises:
        BadInput: there is no such expression.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and abs(value) <= _EXACT:
        return f"int64({value})"  # no blank: inside braces it would be two elements
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(value)
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, (list, tuple)):
        return f"{{{', '.join(octave_literal(item) for item in value)}}}"
    if isinstance(value, Mapping):
        # The braces keep a list from making an array of structs.
        pairs = (f"{_text(str(name))}, {{{octave_literal(item)}}}" for name, item in value.items())
        return f"struct({', '.join(pairs)})"
    raise BadInput("argument for Octave", found=f"{value!r}", expected="texts, numbers up to 2^53, true, false, lists")


def _text(text: str) -> str:
    """Return a text in double quotes; all but plain characters are written as octal bytes."""
    data = text.encode("utf-8", "surrogateescape")
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in data)
    return f'"{"".join(plain)}"'
