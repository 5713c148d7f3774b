"""What can be said of a launch before anything is started or written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.settings import Settings
from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.engine_parameters import engine_settings
from opticstream.rig.launcher.find_launcher import launcher_for
from opticstream.rig.launcher.loading import missing_script
from opticstream.rig.launcher.module_names import load_source, module_problems
from opticstream.rig.launcher.request import Source
from opticstream.rig.loaded import Loaded
from opticstream.rig.modules.lacking import LACKING
from opticstream.rig.modules.module import STAGES
from opticstream.rig.parameters import LaunchParameters


@dataclass(frozen=True)
class FileCheck:
    """What is to be said of one parameter file."""

    path: Path
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    """Keys that the operator will be asked for."""
    launcher: str | None = None
    """None: it cannot be told."""

    @property
    def valid(self) -> bool:
        """Return whether a session can be launched with it."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "file": str(self.path),
            "valid": self.valid,
            "launcher": self.launcher,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "asked": list(self.asked),
        }

    def __str__(self) -> str:
        head = f"{self.path}: " + (f"valid, launcher {self.launcher}" if self.valid else "cannot be used")
        lines = [head, *(f"  {problem}" for problem in self.problems)]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        if self.asked:
            lines.append(f"  will be asked for: {', '.join(self.asked)}")
        return "\n".join(lines)


def check_file(path: Path, rig_config: Path | None, overrides: Mapping[str, Any], settings: Settings) -> FileCheck:
    """Check one parameter file, offline; nothing is written, and nothing raised for what is in it."""
    try:
        loaded = load_source(Source(path, rig_config, overrides), settings, create_rig_config=False)
    except BadParameters as error:
        return FileCheck(path, tuple(map(str, error.problems)))
    except BadInput as error:
        return FileCheck(path, (str(error),))
    problems = [*module_problems(loaded.parameters, lacking=False), *_engine_problems(loaded.parameters)]
    warnings = [*loaded.warnings, *_lacking(loaded.parameters)]
    return FileCheck(path, tuple(map(str, problems)), tuple(warnings), loaded.unanswered, loaded.parameters.launcher)


def check_source(source: Source, settings: Settings, operator: str) -> Loaded:
    """Return the parameters, or say everything that is wrong with them.

    Raises:
        BadParameters: naming it all; for a headless operator also each required key that nobody gave.
        BadFile: a file cannot be read.
    """
    loaded = load_source(source, settings, create_rig_config=False)
    where = str(source.parameters) if isinstance(source.parameters, Path) else "parameters"
    parameters = loaded.parameters
    problems = [*module_problems(parameters), *_engine_problems(parameters), *missing_script(parameters)]
    if problems:
        raise BadParameters(where, problems)
    if operator == "headless":
        loaded.require_answers()
    return loaded


def _engine_problems(parameters: LaunchParameters) -> list[Problem]:
    try:
        if ":" in parameters.launcher:
            launcher_for(parameters, None)
        else:
            engine_settings(parameters)
    except BadInput as error:
        return [Problem(error.where, error.found, error.expected)]
    return []


def _lacking(parameters: LaunchParameters) -> list[str]:
    return [
        f"{stage}_pipeline: module {entry.module_path} ({LACKING[entry.module_path]}) is not in this version; a launch "
        "with it is refused"
        for stage in STAGES
        for entry in getattr(parameters, f"{stage}_pipeline")
        if entry.module_type == "launcher_module" and entry.module_path in LACKING
    ]
