"""The flow ``scope_session``: a session whose acquisition is a live microscope."""

from pathlib import Path
from typing import Any

from prefect import State, flow

from opticstream.flows.launch import run_name, run_session
from opticstream.rig.parameters import LaunchParameters


@flow(name="scope_session", flow_run_name=run_name, persist_result=False)
def scope_session(
    parameters: LaunchParameters | None = None,
    param_file: Path | None = None,
    rig_config: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> State[Any]:
    """Run a scope as a session: folder, modules, the scope and its script, files, event, plots.

    It is the flow ``launch`` with launcher ``scope``, whatever the parameters say.

    Args:
        parameters: the session's parameters, filled in here; either these or a parameter file.
        param_file: the parameter file, on the rig that serves this deployment.
        rig_config: the rig's TOML file; empty: the usual place.
        overrides: values by key, over those of the file.
    """
    return run_session(parameters, param_file, rig_config, (overrides or {}) | {"launcher": "scope"})
