"""From a launcher to a session: through Prefect where that is installed and wanted, plainly otherwise."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from opticstream.core.steps import PlainSteps
from opticstream.rig.launcher.base_launcher import BaseLauncher
from opticstream.rig.launcher.conduct import conduct
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.launcher.request import LaunchRequest, Source
from opticstream.rig.launcher.session_row import SessionRow
from opticstream.rig.operators import make_operator

GROUP = "opticstream.step_runner"
"""Entry point to what runs a `LaunchRequest` with each step a task run: this room imports nothing from above it."""

LaunchRunner = Callable[[LaunchRequest], SessionReport]


def run_launcher(
    launcher: BaseLauncher,
    *,
    overrides: dict[str, Any] | None = None,
    operator: str = "auto",
    prefect: bool = True,
    resume_from: str | Path | None = None,
) -> SessionReport:
    """Launch a session of a launcher; see `BaseLauncher.launch`."""
    kind = {"launcher": launcher.kind} if launcher.kind else {}
    source = Source(launcher.param_file, launcher.rig_config_path, {**(overrides or {}), **kind})
    request = LaunchRequest(source, operator, launcher, resume_from)
    return recorded_runner()(request) if prefect else run_plainly(request)


def run_plainly(request: LaunchRequest) -> SessionReport:
    """Launch a session in this process, with no Prefect; its row in the state store is kept all the same."""
    with SessionRow(request.settings) as row:
        return replace(conduct(request, PlainSteps(), make_operator(request.operator), row), recorded=False)


def recorded_runner() -> LaunchRunner:
    """Return what launches a session as a run of the flow ``launch``."""
    (point, *_) = entry_points(group=GROUP)
    runner: LaunchRunner = point.load()
    return runner
