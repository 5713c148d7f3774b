"""What pydantic found wrong, as our errors say it."""

from collections.abc import Callable

from pydantic import ValidationError


def problems(error: ValidationError, name: Callable[[str], str] = str) -> str:
    """Return every problem as ``field = value: what is wrong``; one of the whole is only what is wrong.

    Args:
        error: what pydantic raised.
        name: turns a field's dotted path into the name its user knows; the path is empty for the whole.
    """
    return "; ".join(
        _problem(".".join(map(str, item["loc"])), item["input"], item["msg"], name) for item in error.errors()
    )


def _problem(path: str, value: object, text: str, name: Callable[[str], str]) -> str:
    text = text.removeprefix("Value error, ")  # how pydantic begins what our own validators say
    # The value of the whole is all that was given: nobody would find the field in it.
    return f"{name(path)} = {value!r}: {text}" if path else text
