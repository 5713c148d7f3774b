"""How a scope ended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """Why, and whether as it should."""

    succeeded: bool
    reason: str
