"""Runs the modules before and after an acquisition, by their failure policies."""

import logging
import time
from collections.abc import Sequence

from opticstream.core.errors import OpticstreamError
from opticstream.core.files import read_failed
from opticstream.core.operator import NoAnswer, Question
from opticstream.rig.end_state import ModuleOutcome
from opticstream.rig.json_object import read_json_object
from opticstream.rig.launcher.aborted import Aborted
from opticstream.rig.launcher.interruption import Interrupted
from opticstream.rig.launcher.session import Session
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleResult
from opticstream.rig.modules.run_module import find_callee, run_entry
from opticstream.rig.pipeline_entry import PipelineEntry, Stage
from opticstream.rig.session_outcome import SessionOutcome

_log = logging.getLogger("opticstream.rig")


class _CutShort(Interrupted):
    """Raised when it was a module that did not come to its end."""


def run_before(session: Session) -> None:
    """Run the modules before the acquisition, in order.

    A failed one ends the session, is asked about, or is passed over, as its ``on_failure`` says; where nobody
    answers that question, the session ends.

    Raises:
        Aborted: a module's failure ends the session.
        Interrupted: somebody ended it.
    """
    entries = session.needed.pre_acquisition_pipeline
    for number, entry in enumerate(entries, 1):
        session.interruption.check()
        _run_by_policy(session, "pre_acquisition", entry, _label(entries, number, entry))


def run_after(session: Session) -> None:
    """Run the modules after the acquisition, in order; what goes wrong is in the session's outcome, nothing is raised.

    Where the session did not go well only those marked ``run: always`` run. After a signal that may be followed by a
    kill they are left to a process of their own, with the one that the signal cut short.
    """
    entries = session.needed.post_acquisition_pipeline
    why = "" if session.acquired and session.outcome is None else session.reason or "the acquisition did not end well"
    for number, entry in enumerate(entries, 1):
        label = _label(entries, number, entry)
        if session.interruption.reason is not None and not why:  # a signal that came between two modules
            session.end(SessionOutcome.INTERRUPTED, session.interruption.reason)
            why = session.interruption.reason
        if why and entry.run != "always":
            session.modules.append(
                ModuleOutcome(stage="post_acquisition", name=label, outcome="skipped", message=f"not run: {why}")
            )
            continue
        if _terminated(session):
            session.left.append(label)
            continue
        try:
            if not _run_by_policy(session, "post_acquisition", entry, label):
                session.end(SessionOutcome.COMPLETED_WITH_FAILURES, f"module {label} failed")
        except KeyboardInterrupt as ended:
            session.end(SessionOutcome.INTERRUPTED, session.interruption.reason or "Ctrl+C")
            why = why or session.reason
            if isinstance(ended, _CutShort) and entry.run == "always" and _terminated(session):
                session.modules.pop()  # it was not to be cut short: it runs again, where nobody is in a hurry
                session.left.append(label)
        except Aborted as aborted:
            session.end(SessionOutcome.COMPLETED_WITH_FAILURES, str(aborted))
            why = why or str(aborted)


def _terminated(session: Session) -> bool:
    return session.interruption.terminated


def run_left(session: Session) -> None:
    """Run the modules marked ``run: always`` that have not run, after their session's launcher is gone."""
    entries = session.needed.post_acquisition_pipeline
    done = {module.name for module in session.modules if module.stage == "post_acquisition"}
    for number, entry in enumerate(entries, 1):
        label = _label(entries, number, entry)
        if entry.run != "always" or label in done:
            continue
        try:
            _run_by_policy(session, "post_acquisition", entry, label)
        except (Aborted, KeyboardInterrupt) as ended:
            session.warn(f"module {label}: {ended}")


def _run_by_policy(session: Session, stage: Stage, entry: PipelineEntry, label: str) -> bool:
    error = _run(session, stage, entry, label)
    if error is None:
        return True
    policy = entry.policy(stage)
    if policy == "prompt":
        policy = "continue" if _go_on(session, entry.name, error) else "abort"
    if policy == "abort":
        raise Aborted(f"module {label} failed: {error}")
    session.warn(f"module {label} failed: {error}; going on, as its on_failure says")
    return False


def _label(entries: Sequence[PipelineEntry], number: int, entry: PipelineEntry) -> str:
    """Return what a step is called: its module's name, and which of several it is."""
    same = [other for other in entries if other.name == entry.name]
    if len(same) == 1:
        return entry.name
    return f"{entry.name} ({sum(other.name == entry.name for other in entries[:number])})"


def _run(session: Session, stage: Stage, entry: PipelineEntry, label: str) -> str | None:
    """Run one module as a step; return why it failed, None when it did not."""
    attempts = 0

    def work() -> str:
        nonlocal attempts
        attempts += 1
        try:
            result = run_entry(entry, find_callee(entry, stage, session.checkout), _context(session, stage, entry))
            _take_over(session, result)
        except BaseException:
            _restore_file(session)
            raise
        if not result.success:
            raise ModuleFailed(f"module {entry.name}", found=result.message or "a result that says it failed")
        if result.message:
            _log.info("%s: %s", label, result.message)
        return result.message

    began = time.monotonic()
    error: BaseException | None = None
    message = ""
    try:
        with session.interruption.raised_here():
            message = session.step(label, work, retries=entry.retries, retry_delay_s=entry.retry_delay_sec)
    except (Interrupted, KeyboardInterrupt) as interrupted:
        error = interrupted
        session.interruption.reason = session.interruption.reason or str(interrupted) or "Ctrl+C"
        raise _CutShort(session.interruption.reason) from interrupted
    except Exception as failed:
        error = failed
        _log.debug("module %s failed", label, exc_info=failed)  # for the log file; people are told in one line
    finally:
        session.modules.append(
            ModuleOutcome(
                stage=stage,
                name=label,
                outcome="completed" if error is None else "failed",
                message=message if error is None else _said(error, entry.name),
                attempts=max(1, attempts),
                duration_s=round(time.monotonic() - began, 3),
            )
        )
    return None if error is None else _said(error, entry.name)


def _said(error: BaseException, name: str) -> str:
    """Return an error in one line, without the module's name, which stands before it wherever it is shown."""
    text = " ".join(str(error).split()).removeprefix(f"module {name}: found ")
    return text if isinstance(error, OpticstreamError) and text else f"{type(error).__name__}: {text}".rstrip(": ")


def _context(session: Session, stage: Stage, entry: PipelineEntry) -> ModuleContext:
    loaded, folder = session.needed_loaded, session.needed_folder
    parameters = session.needed
    document = loaded.document(parameters) | {"output_session_folder": str(folder.path), "session_uuid": folder.name}
    return ModuleContext(
        stage=stage,
        name=entry.name,
        parameters=document | dict(entry.module_parameters),
        session_folder=folder.path,
        metadata_folder=folder.metadata,
        param_file=session.files.processed_path,
        session_name=folder.name,
        subject_id=parameters.subject_id or "",
        user_id=parameters.user_id or "",
        rig_id=loaded.rig.rig_id,
        operator=session.operator,
        settings=session.settings,
        start_time=session.started,
        stop_time=session.result.stopped if session.result else None,
        outcome=_outcome(session),
        experiment_data=dict(session.experiment_data),
        repository=session.checkout,
        timeout_s=parameters.operator_timeout_sec or None,
    )


def _outcome(session: Session) -> str | None:
    if session.outcome is not None:
        return session.outcome.value
    return None if session.acquired is None else "completed" if session.acquired else "failed"


def _take_over(session: Session, result: ModuleResult) -> None:
    """Go on with what a module returned or wrote into the parameter file."""
    session.experiment_data.update(result.experiment_data)
    path, loaded = session.files.processed_path, session.needed_loaded
    try:
        content = path.read_bytes()
    except OSError as error:
        raise read_failed(path, error) from None
    document = read_json_object(content, str(path))
    changed = loaded.reread(document | dict(result.values), session.needed)
    if changed != session.needed or result.values:
        session.parameters = changed
        session.files.write_processed(loaded, changed)


def _restore_file(session: Session) -> None:
    """Let a failed module leave the parameter file as it found it: the next one is not to fail for that."""
    with session.said_once():
        session.files.write_processed(session.needed_loaded, session.needed)


def _go_on(session: Session, name: str, error: str) -> bool:
    question = Question(f"continue_after_{name}", f"Module {name} failed: {error}. Go on all the same?", kind="confirm")
    try:
        with session.interruption.raised_here():
            return bool(session.operator.ask(question, session.needed.operator_timeout_sec or None))
    except NoAnswer as unanswered:
        _log.error("%s", unanswered)
        return False
