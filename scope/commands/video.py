"""Commands to the video processor and its files."""

from dataclasses import dataclass, field
from typing import Any

from opticstream.scope.ipc.command import Command


@dataclass(frozen=True)
class LoadZLUTCommand(Command):
    """Look heights up in the Z-LUT of a file."""

    filepath: str


@dataclass(frozen=True)
class UnloadZLUTCommand(Command):
    """Find no heights any more."""


@dataclass(frozen=True)
class StartNewTrackingDataFileCommand(Command):
    """Go on in a new file."""


@dataclass(frozen=True)
class AddNoteCommand(Command):
    """Write an operator's note into the file."""

    text: str


@dataclass(frozen=True)
class SetTrackingOptionsCommand(Command):
    """Track in another way."""

    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SetLiveProfileCommand(Command):
    """Show the radial profile of a bead, or of none."""

    enabled: bool
    bead: int = 0


@dataclass(frozen=True)
class SetSweepCaptureCommand(Command):
    """Write radial profiles into a Z-LUT sweep's dataset, or stop doing so."""

    dataset: str | None
    """Name of a ``ZLUTSweepDataset``'s segment; None: stop."""
    step: int = 0
    not_before: float = 0.0
    """Only frames that were taken later, Unix s."""


@dataclass(frozen=True)
class RequestProfileLengthCommand(Command):
    """Ask how long radial profiles are."""


@dataclass(frozen=True)
class ReportProfileLengthCommand(Command):
    """Answer it."""

    length: int
    binning: str = "unknown"
    """How pixels are counted in a profile: ``rounded`` or ``linear``."""
    oversample: int = 1
    """Bins per pixel of radius."""
