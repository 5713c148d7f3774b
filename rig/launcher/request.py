"""What somebody wants launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opticstream.core.settings import Settings, load_settings
from opticstream.rig.parameters import LaunchParameters

if TYPE_CHECKING:
    from opticstream.rig.launcher.base_launcher import BaseLauncher


@dataclass(frozen=True)
class Source:
    """Where a launch's parameters come from."""

    parameters: Path | Mapping[str, Any] | LaunchParameters | None = None
    """The parameter file, or parameters as the run form gives them."""
    rig_config: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Values by key, over those of the file."""


@dataclass(frozen=True)
class LaunchRequest:
    """What is to be launched."""

    source: Source
    operator: str = "auto"
    """Who is asked: auto, terminal, prefect, headless, or an answers file."""
    launcher: BaseLauncher | None = None
    """None: the one that the parameters name."""
    resume_from: str | Path | None = None
    """Folder or name of the session whose saved state this one goes on with."""
    settings: Settings = field(default_factory=load_settings)
