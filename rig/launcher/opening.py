"""From parameters to a session with a name, a folder and the experiment's code."""

import logging
import sys
from pathlib import Path

from opticstream.core.operator import NoAnswer, Question
from opticstream.core.process_identity import this_process
from opticstream.rig.launcher.loading import output_root
from opticstream.rig.launcher.session import Session
from opticstream.rig.repository import RepositoryRecord, prepare_repository
from opticstream.rig.resource_log import ResourceLog
from opticstream.rig.session_folder import create_session_folder
from opticstream.rig.session_log import session_log
from opticstream.rig.session_name import session_name
from opticstream.rig.sync import BarrierFailed, SyncResult, SyncSettings, run_master, run_slave
from opticstream.rig.sync.settings import read_sync_settings

_log = logging.getLogger("opticstream.rig")


def sync_settings(session: Session) -> SyncSettings | None:
    """Return how this rig takes part in session sync; None: it does not.

    Raises:
        BadInput: naming every parameter of it that is missing or wrong.
    """
    if session.needed.sync_role is None:
        return None
    parameters = session.needed
    values = {name: getattr(parameters, name) for name in type(parameters).model_fields} | (
        parameters.model_extra or {}
    )
    secret = parameters.session_sync_secret
    values["session_sync_secret"] = secret.get_secret_value() if secret else None
    key = parameters.session_sync_key_param
    return read_sync_settings(values | {key: parameters.get(key)})


def synchronize(session: Session, settings: SyncSettings) -> str | None:
    """Agree on the session's name with the other rigs; None when the operator goes on without them.

    Raises:
        BarrierFailed: there is no agreement; its result says who was missing.
    """
    own = settings.session_name or session_name(session.needed.subject_id or "", session.started.astimezone())

    def stop() -> bool:
        return session.interruption.reason is not None

    with session.interruption.passed_to(lambda reason, again: None):
        try:
            if settings.role == "master":
                session.sync = run_master(settings, own, stop=stop)
            else:
                session.sync = run_slave(settings, stop=stop)
        except BarrierFailed as failed:
            session.sync = failed.result
    session.interruption.check()
    if session.sync.session_name is None or session.sync.outcome in ("failed", "interrupted"):
        _without_others(session, settings, session.sync)
        return None
    _log.info("Session sync: %s", session.sync.session_name)
    return session.sync.session_name


def _without_others(session: Session, settings: SyncSettings, result: SyncResult) -> None:
    if not settings.allow_bypass:
        raise BarrierFailed(result)
    prompt = settings.bypass_prompt or f"Session sync failed ({result.reason}). Go on without the other rigs?"
    try:
        with session.interruption.raised_here():
            alone = session.operator.ask(Question("session_sync_bypass", prompt, kind="confirm", default=False))
    except NoAnswer:
        alone = False
    if not alone:
        raise BarrierFailed(result)
    session.warn(f"session sync was bypassed: {result.reason}")


def make_folder(session: Session, name: str | None) -> Path:
    """Make the session's folder, lock it, and begin its log and its metadata.

    Args:
        session: whose.
        name: the agreed name; None: that of the parameters, else subject and time.

    Raises:
        BadInput: the name is taken, or a parameter that depends on it cannot be used.
        WriteFailed: the disk refuses.
    """
    loaded, parameters = session.needed_loaded, session.needed
    agreed = session.sync if session.sync and session.sync.outcome == "released" else None
    folder = create_session_folder(
        output_root(parameters),
        parameters.subject_id or "",
        this_process(session.settings.host_name),
        name=name or parameters.session_uuid,
        node=agreed.node_name if agreed else None,
        now=session.started.astimezone(),
    )
    session.folder = folder
    session.open.callback(_released, session)
    central = parameters.centralized_log_directory
    shown = parameters.log_level if "log_level" in parameters.model_fields_set else None
    session.open.enter_context(
        session_log(folder.metadata, Path(central).expanduser() if central else None, shown=shown)
    )
    _log.info("Session %s of %s by %s: %s", folder.name, parameters.subject_id, parameters.user_id, folder.path)
    session.files.write_input(loaded)
    session.files.write_command_line(sys.argv, loaded)
    session.parameters, warnings = loaded.resolve(folder.name, folder.path)
    for warning in warnings:
        session.warn(warning)
    session.files.write_processed(loaded, session.parameters)
    return folder.path


def _released(session: Session) -> None:
    with session.said_once():
        session.needed_folder.release()


def resource_log(session: Session) -> ResourceLog:
    """Return the log of what the session uses, to be entered for its time."""
    return ResourceLog(session.needed_folder.metadata, session.needed.resource_log_interval)


def fetch_repository(session: Session) -> RepositoryRecord | None:
    """Bring the experiment's code to the commit that is asked for.

    Raises:
        BadInput: the folder is not ours, or the commit is unknown.
        GitFailed: git is not there or the repository cannot be cloned.
    """
    parameters = session.needed
    assert parameters.repository_url and parameters.local_repository_path  # noqa: S101 (asked before)
    record = prepare_repository(
        parameters.repository_url, Path(parameters.local_repository_path), parameters.repository_commit_hash
    )
    for warning in record.warnings:
        session.warn(warning)
    session.repository = record
    return record
