"""Finishes a session whose launcher is gone: the modules that always run, and the end state."""

import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import read_failed
from opticstream.core.operator import Operator
from opticstream.core.process_identity import this_process
from opticstream.core.settings import Settings
from opticstream.core.steps import PlainSteps
from opticstream.rig.end_state import EndState, ModuleOutcome
from opticstream.rig.engine import EngineResult, find_orphan
from opticstream.rig.launcher.closing import complete_archive
from opticstream.rig.launcher.interruption import Interruption
from opticstream.rig.launcher.pipeline import run_left
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.launcher.session import Session
from opticstream.rig.launcher.session_row import SessionRow
from opticstream.rig.load_parameters import load_parameters
from opticstream.rig.metadata_files import END_STATE, PROCESSED, REVISIONS
from opticstream.rig.repository import RepositoryRecord
from opticstream.rig.rig_config import RigConfig
from opticstream.rig.session_folder import METADATA, SessionFolder, open_session_folder
from opticstream.rig.session_lock import first_lock
from opticstream.rig.session_log import session_log
from opticstream.rig.session_outcome import SessionOutcome

_PATIENCE_S = 60.0


def finish_session(folder: Path, settings: Settings, operator: Operator) -> SessionReport:
    """Run what a session left undone when its launcher was stopped or killed, and write its end state.

    Modules marked ``run: always`` that have not run are run. A session without an end state is given one: its
    launcher died. One that is complete is left as it is.

    Args:
        folder: the session's folder; where launchers share it, the metadata folder of the one that is gone.
        settings: of this process.
        operator: is asked.

    Raises:
        BadInput: it is no session's folder, or its launcher or its acquisition still runs.
        BadFile: its parameters cannot be read.
        WriteFailed: the end state cannot be written.
    """
    folder = folder.expanduser().absolute()
    with Interruption() as interruption, ExitStack() as closing:
        held = _taken(folder, settings)
        closing.callback(held.release)
        _no_acquisition(held, settings)
        session = Session(settings, operator, PlainSteps(), interruption, closing, folder=held)
        closing.enter_context(session_log(held.metadata))
        before = _end_state(held.metadata)
        _restore(session, before)
        run_left(session)
        after = session.end_state()
        state = _joined(before, after) if before else after
        session.files.write_end_state(state)
        with SessionRow(settings) as row:
            row.found(session)
            row.ended(session, state)
    complete_archive(session)  # its log is closed by now
    return session.report()


def _no_acquisition(folder: SessionFolder, settings: Settings) -> None:
    """Refuse while what outlived its launcher still writes into the folder."""
    orphan = find_orphan(folder.path, settings.host_name, folder.metadata)
    if orphan is not None and not orphan.elsewhere:
        raise BadInput(
            str(folder.path),
            found=str(orphan),
            expected="a session whose acquisition has ended",
            action="Wait for it, or end it: launch the next session with --set orphaned_acquisition=end.",
        )


def _joined(before: dict[str, Any], after: EndState) -> EndState:
    """Return what the launcher wrote, with what was done since: it alone has seen the acquisition."""
    done = {name: getattr(after, name) for name in ("modules", "warnings", "experiment_data")}
    told = {name: value for name, value in before.items() if name not in ("left_to_finish", "exit_code", "duration_s")}
    return EndState.model_validate(told | done | {"finished_at": datetime.now(UTC).isoformat()})


def _taken(folder: Path, settings: Settings) -> SessionFolder:
    """Take the session over; a launcher that is just ending is waited for."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return open_session_folder(folder, this_process(settings.host_name))
        except BadInput:
            metadata = folder if folder.name.startswith(METADATA) else folder / METADATA
            ending = (metadata / END_STATE).is_file()
            if not ending or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _restore(session: Session, before: dict[str, Any]) -> None:
    """Take up what the session's files say of it."""
    metadata = session.needed_folder.metadata
    document = _document(metadata / PROCESSED)
    name = before.get("rig_id") or document.get("rig_id")  # else it would be called after this computer
    rig = RigConfig(({"rig_id": str(name)} if name else {}) | (before.get("rig_config") or {}))
    loaded = load_parameters(document, rig, settings=session.settings, create_rig_config=False)
    session.loaded, session.parameters = loaded, loaded.parameters
    session.repository = _repository(metadata)
    session.resumed_from = before.get("resumed_from")
    session.experiment_data = dict(before.get("experiment_data") or {})
    session.warnings = [str(warning) for warning in before.get("warnings") or ()]
    session.modules = [ModuleOutcome.model_validate(module) for module in before.get("modules") or ()]
    if before:
        session.started = datetime.fromisoformat(before["start_time"])
        session.result = _acquisition(before)
        session.end(SessionOutcome(before["outcome"]), str(before.get("reason", "")))
    else:
        begun = first_lock(metadata)
        session.started = begun.locked_at if begun else session.started
        session.end(SessionOutcome.FAILED, "its launcher died")


def _acquisition(before: dict[str, Any]) -> EngineResult | None:
    """Return how the acquisition ended, which tells modules when; None: there was none, or another version saw it."""
    try:
        return EngineResult.of_json(before["acquisition"])
    except (KeyError, TypeError, ValueError):
        return None


def _repository(metadata: Path) -> RepositoryRecord | None:
    """Return the experiment's checkout, in which modules may lie; None: there was none, or it is not known."""
    try:
        records = json.loads((metadata / REVISIONS).read_text("utf-8"))
        return next((RepositoryRecord.model_validate(one) for one in records if one.get("repository_url")), None)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _end_state(metadata: Path) -> dict[str, Any]:
    path = metadata / END_STATE
    return _document(path) if path.is_file() else {}


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise read_failed(path, error) from None
    except ValueError as error:
        raise BadFile(str(path), found=f"no JSON: {error}", expected="what a launcher wrote") from None
    if not isinstance(found, dict):
        raise BadFile(str(path), found=type(found).__name__, expected="a JSON object")
    return found
