"""Everything that is wrong with one launch's parameters, at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from opticstream.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one key."""

    key: str
    """Where it stands: ``session_sync_port``, ``pre_acquisition_pipeline[1].on_failure``."""
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.key}: found {self.found}; expected {self.expected}"


class BadParameters(BadInput):
    """Raised when parameters cannot be used; ``problems`` holds every one of them, in the order of their keys.

    Args:
        where: the file, or what else the parameters come from.
        problems: at least one.
    """

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            where,
            found=f"{count} {'problem' if count == 1 else 'problems'}:"
            + "".join(f"\n  {problem}" for problem in self.problems),
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Cross process boundaries with every problem."""
        return (type(self), (self.where, self.problems))


def shown(value: object) -> str:
    """Return a value as an error shows it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."
