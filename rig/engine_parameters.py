"""What each engine needs of a session's parameters, as plain values: spellings, defaults and rules are settled here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from opticstream.core.errors import BadInput
from opticstream.rig.parameter_groups import ScopeKeys
from opticstream.rig.parameter_types import argument
from opticstream.rig.parameters import LaunchParameters

_SHARED_ENTRYPOINT = "slap2_launcher"
_RIG_DESCRIPTION = "rig_description_path"


@dataclass(frozen=True)
class WatchLimits:
    """When an acquisition is stopped; 0 is never. Seconds, MB and GB."""

    stop_on_stderr: bool
    stderr_grace_s: float
    start_timeout_s: float
    no_output_timeout_s: float
    memory_limit_mb: float
    minimum_free_disk_gb: float
    stop_timeout_s: float


@dataclass(frozen=True)
class CommandSettings:
    """Launcher base: any program; empty: none."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class PythonSettings:
    """Launcher python."""

    script: str
    executable: str | None
    venv: str | None
    options: tuple[str, ...]
    """Before the script."""
    arguments: tuple[str, ...]
    """After it."""


@dataclass(frozen=True)
class BonsaiSettings:
    """Launcher bonsai."""

    workflow: str
    executable: str | None
    setup_script: str | None
    config: str | None
    properties: tuple[tuple[str, str], ...]
    """Names and values for ``-p``, in order; the session's folder is not among them."""
    arguments: tuple[str, ...]
    max_retries: int | None
    """None: as often as the operator asks; unattended, never without end."""
    retry_delay_s: float
    fail_on_stderr: bool
    error_patterns: tuple[str, ...]
    continue_on_failure: bool
    failure_default: Literal["retry", "proceed", "abort"] | None


@dataclass(frozen=True)
class MatlabSettings:
    """Launcher matlab."""

    backend: Literal["matlab", "octave"]
    engine_name: str
    entrypoint: str
    arguments: tuple[Any, ...]
    pairs: tuple[tuple[str, Any], ...]
    """Names and values after the arguments, each name once."""
    nargout: int
    pass_session_folder: bool
    session_folder_position: Literal["append", "prepend", "ignore"] | int
    connect_timeout_s: float
    """0: without end."""
    connect_poll_s: float
    cancel_timeout_s: float
    keep_alive: bool
    enable_resume: bool
    resume_keyword: str
    max_resumes: int


@dataclass(frozen=True)
class ScopeSettings:
    """Launcher scope."""

    values: Mapping[str, Any]
    """The ``scope_…`` parameters."""
    script: str | None


EngineSettings = CommandSettings | PythonSettings | BonsaiSettings | MatlabSettings | ScopeSettings


def watch_limits(parameters: LaunchParameters) -> WatchLimits:
    """Return when the acquisition is stopped, whatever runs it."""
    return WatchLimits(
        stop_on_stderr=parameters.acquisition_error_terminate,
        stderr_grace_s=parameters.acquisition_error_grace_period_sec,
        start_timeout_s=parameters.process_start_timeout_sec,
        no_output_timeout_s=parameters.process_no_output_timeout_sec,
        memory_limit_mb=parameters.process_memory_limit_mb,
        minimum_free_disk_gb=parameters.minimum_free_disk_gb,
        stop_timeout_s=parameters.process_stop_timeout_sec,
    )


def engine_settings(parameters: LaunchParameters) -> EngineSettings:
    """Return what the launcher's engine needs; of a launcher class of one's own, what launcher base needs.

    Raises:
        BadInput: the script or workflow is missing, or a Bonsai property is no text or number.
    """
    if parameters.launcher == "python":
        return _python(parameters)
    if parameters.launcher == "bonsai":
        return _bonsai(parameters)
    if parameters.launcher == "matlab":
        return _matlab(parameters)
    if parameters.launcher == "scope":
        values = {name: getattr(parameters, name) for name in ScopeKeys.model_fields}
        return ScopeSettings(values, parameters.script_path)
    command = parameters.command
    return CommandSettings((*command, *parameters.script_arguments) if command else ())


def script_file(parameters: LaunchParameters, repository: Path | None) -> Path:
    """Return the script or workflow: absolute, else in the repository's checkout, else in the working directory.

    Args:
        parameters: the session's.
        repository: root of the checkout; None: there is none.

    Raises:
        BadInput: there is no such file; naming where it was looked for.
    """
    name = parameters.program_path
    key = "workflow_path" if parameters.launcher == "bonsai" else "script_path"
    if not name:
        raise BadInput(key, found="nothing", expected=f"what launcher {parameters.launcher} runs")
    tried = [folder / name for folder in (*([repository] if repository else []), Path.cwd())]
    for path in tried:
        if path.is_file():
            return path.absolute()
    raise BadInput(key, found=name, expected="a file: " + " or ".join(dict.fromkeys(map(str, tried))))


def _python(parameters: LaunchParameters) -> PythonSettings:
    return PythonSettings(
        script=_program(parameters),
        executable=parameters.python_executable,
        venv=parameters.python_venv_path,
        options=parameters.python_args,
        arguments=(*parameters.python_arguments, *parameters.script_arguments),
    )


def _bonsai(parameters: LaunchParameters) -> BonsaiSettings:
    properties = []
    for name, value in parameters.script_parameters.items():
        try:
            properties.append((name, argument(value)))
        except ValueError as error:
            raise BadInput(f"script_parameters.{name}", found=repr(value), expected=str(error)) from None
    retries = parameters.bonsai_max_retries
    return BonsaiSettings(
        workflow=_program(parameters),
        executable=parameters.bonsai_executable,
        setup_script=parameters.bonsai_setup_script,
        config=parameters.bonsai_config_path,
        properties=tuple(properties),
        arguments=(*parameters.script_arguments, *parameters.bonsai_args),
        max_retries=None if retries is None or retries < 0 else retries,
        retry_delay_s=parameters.bonsai_retry_delay_sec,
        fail_on_stderr=parameters.bonsai_fail_on_stderr,
        error_patterns=parameters.bonsai_retry_error_patterns,
        continue_on_failure=parameters.bonsai_continue_on_failure,
        failure_default=parameters.bonsai_failure_default,
    )


def _matlab(parameters: LaunchParameters) -> MatlabSettings:
    script = parameters.script_path
    entrypoint = parameters.matlab_entrypoint or (PureWindowsPath(script).stem if script else _SHARED_ENTRYPOINT)
    arguments = parameters.matlab_entrypoint_args
    if arguments is None:
        arguments = ("execute",) if entrypoint.lower() == _SHARED_ENTRYPOINT else ()
    pairs = {**parameters.script_parameters, **parameters.matlab_entrypoint_kwargs}
    if parameters.matlab_rig_description_path:
        pairs.setdefault(_RIG_DESCRIPTION, parameters.matlab_rig_description_path)
    return MatlabSettings(
        backend=parameters.matlab_backend,
        engine_name=parameters.matlab_engine_name,
        entrypoint=entrypoint,
        arguments=tuple(arguments),
        pairs=tuple(pairs.items()),
        nargout=parameters.matlab_entrypoint_nargout,
        pass_session_folder=parameters.matlab_pass_session_folder,
        session_folder_position=parameters.matlab_session_folder_position,
        connect_timeout_s=parameters.matlab_engine_connect_timeout_sec,
        connect_poll_s=max(parameters.matlab_engine_connect_poll_interval_sec, 0.1),
        cancel_timeout_s=max(parameters.matlab_cancel_timeout_sec, 1.0),
        keep_alive=parameters.matlab_keep_engine_alive,
        enable_resume=parameters.matlab_enable_resume and parameters.matlab_resume_keyword not in arguments,
        resume_keyword=parameters.matlab_resume_keyword,
        max_resumes=parameters.matlab_max_resumes,
    )


def _program(parameters: LaunchParameters) -> str:
    name = parameters.program_path
    if not name:
        raise BadInput("script_path", found="nothing", expected=f"what launcher {parameters.launcher} runs")
    return name
