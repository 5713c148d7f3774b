"""The end of a session: what it leaves behind, whichever way it ended."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from opticstream.core.errors import OpticstreamError
from opticstream.rig.archive import refresh_metadata
from opticstream.rig.archive.request import MANIFEST
from opticstream.rig.debug_state import DebugState
from opticstream.rig.launcher.session import Session
from opticstream.rig.resource_log import FILE_NAME as RESOURCES
from opticstream.rig.session_outcome import SessionOutcome
from opticstream.rig.session_state import SessionStateMixin

_log = logging.getLogger("opticstream.rig")
PLOT = "resource_usage.png"
CHECKPOINT = "session_checkpoint.json"


def plot_resources(session: Session) -> Path | None:
    """Draw the resource log; None where there is none or it cannot be drawn, which is a warning."""
    log = session.needed_folder.metadata / RESOURCES
    if not log.is_file():
        return None
    from opticstream.rig.resource_plot import write_resource_plot  # Pillow would be imported before the acquisition

    picture = log.with_name(PLOT)
    try:
        write_resource_plot(log, picture)
    except (OpticstreamError, OSError, ValueError) as error:
        session.warn(f"the resource log was not drawn: {error}")
        return None
    return picture


def save_state(session: Session, launcher: SessionStateMixin) -> dict[str, Any] | None:
    """Save the launcher's state where the acquisition is well, for a later session to go on with, beside session.json.

    Returns:
        The state, None where there is none to go on with.
    """
    save_checkpoint(session, launcher)
    good = (None, SessionOutcome.COMPLETED, SessionOutcome.COMPLETED_WITH_FAILURES)
    if not session.acquired or session.outcome not in good:
        return None
    folder = session.needed_folder.path
    with session.said_once():
        launcher.save_session_state(folder)
    with session.said_once():
        session.files.write_session(folder, session.end_state())
    return launcher.export_session_state()


def save_checkpoint(session: Session, launcher: SessionStateMixin) -> None:
    """Save the launcher's state as it is on the way, for ``--resume`` of a session that does not end well."""
    if session.resuming:  # whoever resumes this session would begin again, and not notice
        return
    with session.said_once():
        launcher.save_session_state(session.needed_folder.metadata, file_name=CHECKPOINT)


def write_end(session: Session, error: BaseException | None, launcher_state: dict[str, object]) -> None:
    """Write how the session ended, and what a crash left; a disk that refuses is said, and the rest is written."""
    if error is not None and not isinstance(error, (OpticstreamError, KeyboardInterrupt)):
        with session.said_once():
            state = DebugState.of(error, session.needed_folder.name, launcher_state)
            session.files.write_debug_state(state)
    try:
        session.files.write_end_state(session.end_state())
    except Exception as refused:
        session.warn(f"{type(refused).__name__}: {refused}")
        if session.outcome is SessionOutcome.COMPLETED:  # whoever looks at the exit code must not think all is there
            session.outcome = SessionOutcome.COMPLETED_WITH_FAILURES
            session.reason = f"the end state was not written: {refused}"


def finish_elsewhere(session: Session) -> None:
    """Start a process of its own that runs the modules which are left; it waits for the end of this one."""
    folder = session.needed_folder.metadata  # of several launchers in one folder, this one's
    command = [sys.executable, "-P", "-m", "opticstream", "launch", "--finish", str(folder)]  # not what lies here
    log = session.needed_folder.metadata / "finish.log"
    with session.said_once(), log.open("ab") as output:
        options: dict[str, object] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        if os.name == "nt":  # not verified here
            flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)
            flags |= getattr(subprocess, "CREATE_BREAKAWAY_FROM_JOB", 0)
            process = subprocess.Popen(command, creationflags=flags, **options)  # type: ignore[call-overload]
        else:
            process = subprocess.Popen(command, start_new_session=True, **options)  # type: ignore[call-overload]
        _log.warning("%s: process %d runs the modules that are left", folder, process.pid)
        process.returncode = 0  # detached on purpose: its end is not ours to collect


def complete_archive(session: Session) -> None:
    """Bring what the launcher wrote last to where a module has archived the session; a failure is a warning."""
    if session.folder is None or session.left:  # whoever finishes it archives at this moment, and does this then
        return
    manifest = session.folder.metadata / MANIFEST
    if not manifest.is_file():
        return
    try:
        result = refresh_metadata(session.folder.path, manifest)
    except (OpticstreamError, OSError) as error:
        session.warn(f"the archive lacks the session's last files: {error}")
        return
    if result is not None and not result.verified:
        session.warn(f"the archive lacks the session's last files: {result.message}")
