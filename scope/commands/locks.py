"""Commands to the locks."""

from dataclasses import dataclass

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class ExecuteXYLockCommand(Command):
    """Centre the regions on their beads once."""

    now: float | None = None


@dataclass(frozen=True)
class SetXYLockOnCommand(Command):
    """Keep regions on their beads, or do not."""

    value: bool


@dataclass(frozen=True)
class SetXYLockIntervalCommand(Command):
    """How often, s."""

    value: float


@dataclass(frozen=True)
class SetXYLockMaxCommand(Command):
    """How far at once, px."""

    value: float


@dataclass(frozen=True)
class SetXYLockWindowCommand(Command):
    """From how many frames."""

    value: int


@dataclass(frozen=True)
class ExecuteZLockCommand(Command):
    """Correct the focus once."""

    now: float | None = None


@dataclass(frozen=True)
class SetZLockOnCommand(Command):
    """Keep a bead in focus, or do not."""

    value: bool


@dataclass(frozen=True)
class SetZLockBeadCommand(Command):
    """Which bead."""

    value: int


@dataclass(frozen=True)
class SetZLockTargetCommand(Command):
    """At which height, nm; None: where it is."""

    value: float | None


@dataclass(frozen=True)
class SetZLockIntervalCommand(Command):
    """How often, s."""

    value: float


@dataclass(frozen=True)
class SetZLockMaxCommand(Command):
    """How far at once, nm."""

    value: float


@dataclass(frozen=True)
class SetZLockWindowCommand(Command):
    """From how many frames."""

    value: int


@dataclass(frozen=True)
class BeadsRenumberedCommand(Command):
    """Beads have other ids now."""

    renumbered: dict[int, int]
    """New id by old one."""


@dataclass(frozen=True)
class ForgetTracksCommand(Command):
    """Correct the focus by later frames only: heights of earlier ones were found in another Z-LUT, or another way."""
