"""A short message to the people of a lab."""

from dataclasses import dataclass
from typing import Literal

from opticstream.core.text import storable

Level = Literal["info", "success", "warning", "failure"]
LEVELS: tuple[Level, ...] = ("info", "success", "warning", "failure")
"""From the least to the most urgent."""

_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, in a line, with details; text that every channel takes."""

    subject: str
    """One line."""
    body: str = ""
    """At most 10,000 characters; the rest is cut."""
    level: Level = "info"

    def __post_init__(self) -> None:
        # Names of files may hold what no channel can encode, and a line break in a subject forges mail headers.
        body = storable(self.body)
        object.__setattr__(self, "subject", " ".join(storable(self.subject).split())[:200])
        object.__setattr__(self, "body", body if len(body) <= _LONGEST else body[: _LONGEST - 2] + " …")

    def reaches(self, least: Level) -> bool:
        """Say whether this is at least as urgent as ``least``."""
        return LEVELS.index(self.level) >= LEVELS.index(least)
