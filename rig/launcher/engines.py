"""From a session's parameters to the engine that runs its acquisition."""

import contextvars
import logging
import re
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Question
from opticstream.rig.engine import (
    Command,
    Engine,
    FailureRules,
    LineCallback,
    MatlabCall,
    MatlabConnection,
    MatlabEngine,
    OctaveEngine,
    ProcessEngine,
    RetryingEngine,
    RetryPolicy,
    Watchdogs,
    bonsai_command,
    check_bonsai_packages,
    ensure_bonsai,
    python_command,
)
from opticstream.rig.engine.result import EngineResult
from opticstream.rig.engine.retrying_engine import Decision
from opticstream.rig.engine_parameters import (
    BonsaiSettings,
    CommandSettings,
    MatlabSettings,
    PythonSettings,
    ScopeSettings,
    engine_settings,
    script_file,
    watch_limits,
)
from opticstream.rig.launcher.session import Session
from opticstream.rig.parameters import LaunchParameters
from opticstream.rig.scope_acquisition import scope_command

_log = logging.getLogger("opticstream.rig")
_UNATTENDED_RETRIES = 3
_ASKED_RETRIES = 1000
"""So often may an operator say retry; a number, so that nothing can go on for ever by itself."""


def build_engine(session: Session, on_line: LineCallback) -> Engine | None:
    """Return what runs the session's acquisition; None: only modules and sync were asked for.

    Raises:
        BadInput: a program, script or folder is not there, or a parameter cannot be passed on.
    """
    settings = engine_settings(session.needed)
    if isinstance(settings, CommandSettings):
        if not settings.command:
            return None
        command = Command(settings.command, env={"OUTPUT_FOLDER": str(session.needed_folder.path)})
        return _process(session, command, on_line)
    if isinstance(settings, PythonSettings):
        return _process(session, _python(session, settings), on_line)
    if isinstance(settings, BonsaiSettings):
        return _bonsai(session, settings, on_line)
    if isinstance(settings, ScopeSettings):
        return _process(session, _scope(session, settings), on_line)
    return _matlab(session, settings, on_line)


def stop_grace_s(parameters: LaunchParameters) -> float:
    """Return how long the acquisition has to end by itself, seconds."""
    if parameters.launcher == "matlab":
        return max(parameters.process_stop_timeout_sec, parameters.matlab_cancel_timeout_sec)
    return parameters.process_stop_timeout_sec


def _watchdogs(session: Session) -> Watchdogs:
    limits = watch_limits(session.needed)
    return Watchdogs(
        start_timeout_s=limits.start_timeout_s,
        no_output_s=limits.no_output_timeout_s,
        error_output_grace_s=limits.stderr_grace_s if limits.stop_on_stderr else None,
        memory_bytes=int(limits.memory_limit_mb * 1e6),
        free_bytes=int(limits.minimum_free_disk_gb * 1e9),
        disk_folder=session.needed_folder.path,
    )


def _process(session: Session, command: Command, on_line: LineCallback, rules: FailureRules | None = None) -> Engine:
    return ProcessEngine(
        command,
        session_folder=session.needed_folder.path,
        on_line=on_line,
        watchdogs=_watchdogs(session),
        rules=rules or FailureRules(),
        host=session.settings.host_name,
        metadata_folder=session.needed_folder.metadata,
    )


def _python(session: Session, settings: PythonSettings) -> Command:
    return python_command(
        script_file(session.needed, session.checkout),
        executable=settings.executable,
        venv=Path(settings.venv) if settings.venv else None,
        python_args=settings.options,
        script_arguments=settings.arguments,
        session_folder=session.needed_folder.path,
    )


def _scope(session: Session, settings: ScopeSettings) -> Command:
    script = script_file(session.needed, session.checkout) if settings.script else None
    folder = session.needed_folder
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", folder.name).lstrip(".")
    return Command(
        scope_command(settings.values, script, name, folder.path),
        env={"OUTPUT_FOLDER": str(folder.path), "PYTHONUNBUFFERED": "1"},
        label="Scope",
    )


def _bonsai(session: Session, settings: BonsaiSettings, on_line: LineCallback) -> Engine:
    executable = _in_checkout(session, settings.executable, "bonsai_executable")
    if settings.setup_script:
        ensure_bonsai(executable, _in_checkout(session, settings.setup_script, "bonsai_setup_script"))
    if settings.config:
        for mismatch in check_bonsai_packages(_in_checkout(session, settings.config, "bonsai_config_path"), executable):
            session.warn(f"Bonsai package {mismatch}")
    command = bonsai_command(
        executable,
        script_file(session.needed, session.checkout),
        parameters=dict(settings.properties),
        arguments=settings.arguments,
        session_folder=session.needed_folder.path,
    )
    rules = FailureRules(settings.error_patterns, settings.fail_on_stderr)
    asked = session.operator.name != "headless" and not settings.continue_on_failure
    most = settings.max_retries
    if most is None:
        most = _ASKED_RETRIES if asked else _UNATTENDED_RETRIES if settings.failure_default == "retry" else 0
    step = contextvars.copy_context()  # the question belongs to the acquisition's step, whichever thread asks it
    return RetryingEngine(
        _process(session, command, on_line, rules),
        RetryPolicy(most, settings.retry_delay_s),
        lambda result: step.copy().run(_after_failure, session, settings, result),
    )


def _after_failure(session: Session, settings: BonsaiSettings, result: EngineResult) -> Decision:
    """Say what happens after a failed workflow."""
    if settings.continue_on_failure:
        return "proceed"
    question = Question(
        "bonsai_failure",
        f"The Bonsai workflow failed ({result.reason}). Retry, proceed as if it had not, or abort?",
        kind="choice",
        choices=("retry", "proceed", "abort"),
        default=settings.failure_default or ("retry" if settings.max_retries else "abort"),
    )
    if session.operator.name == "headless":
        return _decision(question.default)
    try:
        return _decision(session.operator.ask(question))
    except NoAnswer as error:
        _log.warning("%s", error)
        return _decision(question.default)


def _decision(value: object) -> Decision:
    return "retry" if value == "retry" else "proceed" if value == "proceed" else "abort"


def _matlab(session: Session, settings: MatlabSettings, on_line: LineCallback) -> Engine:
    folder = session.needed_folder.path
    call = MatlabCall(
        entrypoint=settings.entrypoint,
        args=settings.arguments,
        session_folder=folder,
        pass_session_folder=settings.pass_session_folder,
        session_folder_position=settings.session_folder_position,
        parameters=dict(settings.pairs),
        nargout=settings.nargout,
        enable_resume=settings.enable_resume,
        resume_keyword=settings.resume_keyword,
    )
    if settings.backend == "octave":
        return OctaveEngine(
            call,
            folder,
            paths=_octave_paths(session),
            max_resumes=settings.max_resumes,
            on_line=on_line,
            watchdogs=_watchdogs(session),
            host=session.settings.host_name,
            metadata_folder=session.needed_folder.metadata,
        )
    connection = MatlabConnection(
        engine_name=settings.engine_name,
        connect_timeout_s=settings.connect_timeout_s,
        poll_interval_s=settings.connect_poll_s,
        cancel_timeout_s=settings.cancel_timeout_s,
        keep_engine_alive=settings.keep_alive,
        max_resumes=settings.max_resumes,
    )
    metadata = session.needed_folder.metadata
    return MatlabEngine(call, connection, folder, on_line, _watchdogs(session), metadata_folder=metadata)


def _octave_paths(session: Session) -> tuple[Path, ...]:
    """Return the folders in which the entry point is looked for: the script's, else the checkout or working directory."""
    if session.needed.script_path:
        return (script_file(session.needed, session.checkout).parent,)
    return (session.checkout or Path.cwd(),)


def _in_checkout(session: Session, name: str | None, key: str) -> Path:
    """Return a file of the rig: absolute, in the checkout, or in the working directory."""
    if not name:
        raise BadInput(key, found="nothing", expected="what launcher bonsai needs")
    path = Path(name).expanduser()
    if path.is_absolute() or session.checkout is None:
        return path.absolute()
    return session.checkout / path
