"""The flow ``launch``: an experiment session on a rig, each of its steps a task run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from opticstream.core.errors import BadInput
from opticstream.core.operator import Operator
from opticstream.core.scope_files import FLOW_RUN_ID
from opticstream.rig.launcher import LaunchRequest, SessionReport, Source
from opticstream.rig.launcher.conduct import conduct
from opticstream.rig.launcher.interruption import Interruption
from opticstream.rig.launcher.session_row import SessionRow
from opticstream.rig.operators import make_operator
from opticstream.rig.parameters import LaunchParameters
from opticstream.rig.session_outcome import SessionOutcome
from opticstream.tasks.cancellation_watch import cancellation_watched
from opticstream.tasks.prefect_operator import PrefectOperator
from opticstream.tasks.prefect_steps import PrefectSteps
from opticstream.tasks.session_artifacts import session_artifacts
from opticstream.tasks.session_farewell import farewell
from opticstream.tasks.session_logging import logging_to_run


@dataclass
class _Call:
    """A launch of this process: what is asked for cannot all be a flow's parameters, nor its end its result."""

    request: LaunchRequest
    reports: list[SessionReport] = field(default_factory=list)


_call: ContextVar[_Call | None] = ContextVar("launch", default=None)


def run_name() -> str:
    """Name a run after its subject, or its file; the session's own name is not known yet."""
    given = flow_run.parameters
    parameters = given.get("parameters") or {}
    subject = (given.get("overrides") or {}).get("subject_id") or (
        parameters.get("subject_id") if isinstance(parameters, dict) else getattr(parameters, "subject_id", None)
    )
    return str(subject or Path(str(given.get("param_file") or "session")).stem)


@flow(name="launch", flow_run_name=run_name, persist_result=False)
def launch(
    parameters: LaunchParameters | None = None,
    param_file: Path | None = None,
    rig_config: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> State[Any]:
    """Launch an experiment session: parameters, session sync, folder, repository, modules, acquisition, end.

    Args:
        parameters: the session's parameters, filled in here; either these or a parameter file.
        param_file: the parameter file, on the rig that serves this deployment.
        rig_config: the rig's TOML file; empty: the usual place.
        overrides: values by key, over those of the file.
    """
    return run_session(parameters, param_file, rig_config, overrides or {})


def run_session(
    parameters: LaunchParameters | None, param_file: Path | None, rig_config: Path | None, overrides: dict[str, Any]
) -> State[Any]:
    """Launch a session in the flow run around the caller, and return its state."""
    call = _call.get() or _Call(_request(parameters, param_file, rig_config, overrides))
    context = FlowRunContext.get()
    assert context is not None and context.flow_run is not None  # noqa: S101 (this is a flow)
    run_id = context.flow_run.id
    with _named_to_children(str(run_id)), logging_to_run(run_id), SessionRow(call.request.settings, str(run_id)) as row:
        interruption = Interruption()
        with cancellation_watched(context.flow_run, interruption.request):
            report = conduct(call.request, PrefectSteps(), _operator(call.request.operator), row, interruption)
        call.reports.append(report)
        left = farewell(context.client, session_artifacts(report, row.who))
        if left:
            row.keep(left)
    return final_state(report)


@contextmanager
def _named_to_children(run_id: str) -> Iterator[None]:
    """Let what the session starts know in which run it is; a scope writes it into its files."""
    os.environ[FLOW_RUN_ID] = run_id
    try:
        yield
    finally:
        os.environ.pop(FLOW_RUN_ID, None)


def final_state(report: SessionReport) -> State[Any]:
    """Return the flow run's state: completed, failed, or cancelled where somebody ended the session."""
    name = report.session_name or "no session"
    if report.outcome is SessionOutcome.INTERRUPTED:
        return Cancelled(message=f"{name}: interrupted by {report.reason}")
    if report.outcome is SessionOutcome.COMPLETED:
        return Completed(message=f"{name}: completed")
    return Failed(message=f"{name}: {report.outcome.value.replace('_', ' ')}: {report.reason}"[:2000])


def shown_parameters(request: LaunchRequest) -> dict[str, Any]:
    """Return what the page of a run of this process shows as its parameters; no secrets."""
    source = request.source
    if not isinstance(source.parameters, Path):
        return {}
    values = {key: value for key, value in source.overrides.items() if "secret" not in key.lower()}
    return {"param_file": source.parameters, "rig_config": source.rig_config, "overrides": values or None}


@contextmanager
def launching(request: LaunchRequest) -> Iterator[list[SessionReport]]:
    """Let the flow, whatever its parameters, launch this in the body; its report is then in the list."""
    call = _Call(request)
    token = _call.set(call)
    try:
        yield call.reports
    finally:
        _call.reset(token)


def _request(
    parameters: LaunchParameters | None, param_file: Path | None, rig_config: Path | None, overrides: dict[str, Any]
) -> LaunchRequest:
    if (parameters is None) == (param_file is None):
        raise BadInput(
            "flow launch",
            found="both parameters and param_file" if parameters else "neither parameters nor param_file",
            expected="exactly one of them",
        )
    source = param_file if parameters is None else _filled_in(parameters)
    return LaunchRequest(Source(source, rig_config, overrides), operator="prefect")


def _filled_in(parameters: LaunchParameters) -> dict[str, Any]:
    """Return what somebody filled in: the run form also sends every default, and that is as if it were not given.

    Else ``launcher`` would be base for a session with a script, which then acquires nothing, and the form would always
    win over the rig's file.
    """
    defaults = {name: field.get_default() for name, field in type(parameters).model_fields.items()}
    given = parameters.given(secrets=True)
    return {
        key: value for key, value in given.items() if key not in defaults or getattr(parameters, key) != defaults[key]
    }


def _operator(how: str) -> Operator:
    return PrefectOperator() if how == "prefect" else make_operator(how)
