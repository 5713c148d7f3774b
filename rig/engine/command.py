"""What is run: words, folder, environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, ready to be run; no shell reads it."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    """Working directory; None: the launcher's."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables added to the launcher's environment."""

    label: str = "acquisition"
    """What messages call it."""
