"""Commands to the scope itself, which owns the beads."""

from dataclasses import dataclass
from typing import Any

from opticstream.scope.frame_ledger import FrameRange
from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class LogExceptionCommand(Command):
    """Tell of an exception in a process."""

    process_name: str
    details: str


@dataclass(frozen=True)
class StartupReadyCommand(Command):
    """The interface is ready."""

    process_name: str = "UIManager"


@dataclass(frozen=True)
class ProcessReadyCommand(Command):
    """A process has set itself up."""

    process_name: str


@dataclass(frozen=True)
class EchoedCommand(Command):
    """A process has reached an echo."""

    token: int


@dataclass(frozen=True)
class KeepStateCommand(Command):
    """Keep what a process would need if it were started anew."""

    process_name: str
    state: dict[str, Any]


@dataclass(frozen=True)
class KeepFramesCommand(Command):
    """Keep what became of frames; told before they leave the buffer, so that a death leaves none without an outcome."""

    process_name: str
    frames: tuple[FrameRange, ...]


@dataclass(frozen=True)
class AddBeadsCommand(Command):
    """Track beads at these places."""

    centers: tuple[tuple[float, float], ...]
    """x, y in the frame, px."""


@dataclass(frozen=True)
class AddRandomBeadsCommand(Command):
    """Put regions at random places that are free."""

    count: int
    seed: int | None = None


@dataclass(frozen=True)
class FindBeadsCommand(Command):
    """Look for beads in the newest frame and track those found."""

    limit: int | None = None


@dataclass(frozen=True)
class MoveBeadsCommand(Command):
    """Move the regions of beads."""

    moves: tuple[tuple[int, int, int], ...]
    """Bead, dx, dy; px."""


@dataclass(frozen=True)
class RemoveBeadsCommand(Command):
    """Track these beads no more."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class ClearBeadsCommand(Command):
    """Track no bead any more."""


@dataclass(frozen=True)
class ReorderBeadsCommand(Command):
    """Number the beads anew, from 0."""


@dataclass(frozen=True)
class FreezeBeadsCommand(Command):
    """Let no region be changed, or let it again."""

    value: bool
