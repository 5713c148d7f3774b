"""What a launch would do, for ``opticstream launch --dry-run``."""

from pathlib import Path
from typing import Any

from opticstream.cli.console import print_json, print_line
from opticstream.core.settings import load_settings
from opticstream.rig.launcher import Source
from opticstream.rig.launcher.check import check_source
from opticstream.rig.launcher.loading import output_root
from opticstream.rig.loaded import Loaded


def show_plan(params: Path, rig_config: Path | None, overrides: dict[str, Any], *, json: bool) -> None:
    """Print the steps of a launch and the parameters in force; nothing is asked, started or written.

    Raises:
        BadInput: the parameters cannot be used.
    """
    loaded = check_source(Source(params, rig_config, overrides), load_settings(), "auto")
    steps = _steps(loaded)
    values = loaded.document(loaded.parameters)
    if json:
        print_json(
            {"steps": steps, "asked": list(loaded.unanswered), "parameters": values, "warnings": list(loaded.warnings)}
        )
        return
    for number, step in enumerate(steps, 1):
        print_line(f"{number}. {step}")
    for key in loaded.unanswered:
        print_line(f"will be asked for: {key}")
    for warning in loaded.warnings:
        print_line(f"warning: {warning}")


def _steps(loaded: Loaded) -> list[str]:
    parameters = loaded.parameters
    name = parameters.session_uuid or f"{parameters.subject_id or '<subject>'}_<date>_<time>"
    steps = ["load parameters"]
    if parameters.sync_role:
        steps.append(f"session sync as {parameters.sync_role}, port {parameters.session_sync_port}")
    steps.append(f"session folder {output_root(parameters) / name}")
    if parameters.repository_url and parameters.local_repository_path:
        steps.append(f"repository {parameters.repository_url} at {parameters.repository_commit_hash}")
    steps += [f"pre-acquisition module {entry.name}" for entry in parameters.pre_acquisition_pipeline]
    program = parameters.program_path or " ".join(parameters.command)
    steps.append(f"acquisition: launcher {parameters.launcher}{f', {program}' if program else ''}")
    steps += [
        f"post-acquisition module {entry.name}" + (", always" if entry.run == "always" else "")
        for entry in parameters.post_acquisition_pipeline
    ]
    return [*steps, "end state"]
