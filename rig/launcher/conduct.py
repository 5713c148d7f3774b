"""One session from parameters to end state: the order of a launch."""

import logging
from contextlib import ExitStack

from opticstream.core.errors import OpticstreamError
from opticstream.core.handed_over import HandedOver
from opticstream.core.operator import NoAnswer, Operator
from opticstream.core.steps import StepRunner
from opticstream.rig.launcher.aborted import Aborted
from opticstream.rig.launcher.acquisition import await_end, line_logger, running
from opticstream.rig.launcher.base_launcher import BaseLauncher
from opticstream.rig.launcher.closing import (
    complete_archive,
    finish_elsewhere,
    plot_resources,
    save_checkpoint,
    save_state,
    write_end,
)
from opticstream.rig.launcher.find_launcher import launcher_for
from opticstream.rig.launcher.interruption import Interruption
from opticstream.rig.launcher.loading import look_for_orphans, read_parameters
from opticstream.rig.launcher.observer import NoObserver, SessionObserver
from opticstream.rig.launcher.opening import fetch_repository, make_folder, resource_log
from opticstream.rig.launcher.pipeline import run_after, run_before
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.launcher.request import LaunchRequest
from opticstream.rig.launcher.session import Session
from opticstream.rig.metadata_files import launcher_revision
from opticstream.rig.operators import PreparedOperator
from opticstream.rig.resource_log import ResourceLog
from opticstream.rig.session_outcome import SessionOutcome

_log = logging.getLogger("opticstream.rig")


class AcquisitionFailed(OpticstreamError):
    """Raised in the acquisition's step when it did not end well."""


def conduct(
    request: LaunchRequest,
    steps: StepRunner,
    operator: Operator,
    observer: SessionObserver | None = None,
    interruption: Interruption | None = None,
) -> SessionReport:
    """Launch a session, and return how it ended, whatever happens.

    A session that has a folder always leaves ``end_state.json`` in it. Parameters that cannot be used are in the
    report as its ``error``, and nothing was written.

    Args:
        request: what.
        steps: runs each step.
        operator: is asked.
        observer: is told how it goes.
        interruption: for whoever wants to end the session from another thread; it takes the signals.
    """
    observer = observer or NoObserver()
    error: BaseException | None = None
    with interruption or Interruption() as interruption, ExitStack() as closing:
        session = Session(request.settings, operator, steps, interruption, closing)
        try:
            _launch(session, request, observer)
        except BaseException as raised:
            error = raised
            _note(session, raised)
        session.end(SessionOutcome.COMPLETED, "")
        if session.folder is None:
            observer.ended(session)
    complete_archive(session)  # its log is closed by now
    return session.report(error)


def _launch(session: Session, request: LaunchRequest, observer: SessionObserver) -> None:
    with session.interruption.raised_here():
        read_parameters(session, request.source)
        look_for_orphans(session)
    session.interruption.check()
    session.revision = HandedOver(launcher_revision, "revision")  # git takes its time beside the next steps
    launcher = launcher_for(session.needed, request.launcher)
    launcher.begin(session)
    session.resuming = request.resume_from is not None
    name = _agreed_name(session, launcher, observer)
    _make_folder(session, name, observer)
    observer.started(session)
    error: BaseException | None = None
    try:
        with resource_log(session) as resources:
            _experiment(session, launcher, request, observer, resources)
    except BaseException as raised:
        error = raised
        _note(session, raised)
        raise
    finally:
        _close(session, launcher, observer, error)


def _make_folder(session: Session, name: str | None, observer: SessionObserver) -> None:
    """Make the folder; one in which the session cannot begin says why."""
    try:
        session.step("session folder", lambda: make_folder(session, name))
    except BaseException as raised:
        if session.folder is not None:
            _note(session, raised)
            write_end(session, raised, {})
            observer.ended(session)
        raise


def _agreed_name(session: Session, launcher: BaseLauncher, observer: SessionObserver) -> str | None:
    """Return the name that the rigs agreed on; whoever is told hears of a failure too."""
    try:
        return launcher._maybe_synchronize_session_name()
    finally:
        if session.sync is not None:
            observer.synced(session)


def _experiment(
    session: Session, launcher: BaseLauncher, request: LaunchRequest, observer: SessionObserver, resources: ResourceLog
) -> None:
    """Prepare, acquire, and do what comes after it, which is also done when the rest went wrong."""
    parameters = session.needed
    try:
        session.interruption.check()
        with session.interruption.raised_here():
            if parameters.repository_url and parameters.local_repository_path:
                session.step("repository", lambda: fetch_repository(session))
            session.files.write_revisions(session.repository, session.revision.wait() if session.revision else None)
            launcher.adopt(session, request.resume_from)
            session.resuming = False
        save_checkpoint(session, launcher)
        run_before(session)
        save_checkpoint(session, launcher)
        session.interruption.check()
        session.step("acquisition", lambda: _acquire(session, launcher, observer, resources))
        save_checkpoint(session, launcher)
        session.interruption.check()
    except BaseException as raised:
        _note(session, raised)
        session.acquired = bool(session.acquired)
        raise
    finally:
        run_after(session)


def _acquire(session: Session, launcher: BaseLauncher, observer: SessionObserver, resources: ResourceLog) -> None:
    on_line = line_logger()
    launcher.params = session.needed_loaded.document(session.needed)  # with what the modules changed
    with session.interruption.raised_here():
        made = launcher.create_process()
    acquisition = running(session, made, on_line)  # a signal from here on is told to it
    if acquisition is None:
        session.interruption.check()
        session.acquired = True
        _log.info("Launcher %s runs no process: sync and modules only", session.needed.launcher)
        return
    launcher.process = acquisition
    observer.acquiring(session)
    result = await_end(session, acquisition, resources)
    launcher.take(result)
    session.acquired = launcher.check_experiment_success()
    if session.interruption.reason is None and not session.acquired:
        raise AcquisitionFailed("acquisition", found=result.reason or f"outcome {result.outcome}")


def _close(session: Session, launcher: BaseLauncher, observer: SessionObserver, error: BaseException | None) -> None:
    _tell_unused_answers(session)
    session.end(SessionOutcome.COMPLETED, "")
    saved = save_state(session, launcher)
    write_end(session, error, launcher.public_state())
    observer.ended(session)
    if saved is not None:
        observer.saved(saved)
    if session.left:
        finish_elsewhere(session)
    plot_resources(session)  # last: whoever ends us now takes no more than a picture


def _tell_unused_answers(session: Session) -> None:
    """Warn of keys of an answers file that no question had; a session that was cut short asked less than it would."""
    operator = session.operator
    unused = operator.unused() if session.outcome is None and isinstance(operator, PreparedOperator) else ()
    if unused:
        session.warn(f"{operator.name}: no question had the key {', '.join(unused)}: misspelled, or not needed")


def _note(session: Session, error: BaseException) -> None:
    """Note the outcome that an exception stands for."""
    if isinstance(error, KeyboardInterrupt):
        session.interruption.reason = session.interruption.reason or str(error) or "Ctrl+C"
        session.end(SessionOutcome.INTERRUPTED, session.interruption.reason)
    elif session.outcome is not None:
        return
    elif isinstance(error, OpticstreamError):
        _log.error("%s", error)
        ended = SessionOutcome.ABORTED if isinstance(error, (Aborted, NoAnswer)) else SessionOutcome.FAILED
        session.end(ended, str(error))
    else:
        _log.error("The launch failed", exc_info=error)
        session.end(SessionOutcome.FAILED, f"{type(error).__name__}: {error}")
