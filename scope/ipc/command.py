"""What processes of a scope ask of each other."""

from dataclasses import dataclass
from enum import StrEnum


class Delivery(StrEnum):
    """To whom a command goes."""

    DIRECT = "direct"
    """To one process."""
    BROADCAST = "broadcast"
    """To every process."""
    MAG_SCOPE = "mag_scope"
    """To the scope itself, the parent process."""


@dataclass(frozen=True)
class Command:
    """Base of all commands: a frozen dataclass whose fields are passed to the handler by name."""
