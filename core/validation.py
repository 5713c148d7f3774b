"""What pydantic found wrong, as our errors say it."""

from collections.abc import Callable

from pydantic import ValidationError


def problems(error: ValidationError, name: Callable[[str], str] = str) -> str:
    """Return every problem as ``field = value: what is wrong``.

    Args:
        error: what pydantic raised.
        name: turns a field's dotted path into the name its user knows; the path is empty for the whole.
    """
    return "; ".join(
        f"{name('.'.join(map(str, item['loc']))) or 'all of it'} = {item['input']!r}: {item['msg']}"
        for item in error.errors()
    )
