"""The acquisition itself: started, watched, ended, judged."""

import contextvars
import logging
from collections.abc import Callable
from typing import Any

import psutil

from opticstream.core.errors import BadInput
from opticstream.rig.engine import Engine, LineCallback, RunningEngine, StreamName
from opticstream.rig.engine.foreign_process import ForeignProcess, is_process
from opticstream.rig.engine.result import EngineResult
from opticstream.rig.launcher.engines import stop_grace_s
from opticstream.rig.launcher.session import Session
from opticstream.rig.resource_log import ResourceLog

OUTPUT_LOGGER = "opticstream.acquisition"
_log = logging.getLogger("opticstream.rig")
_output = logging.getLogger(OUTPUT_LOGGER)


def line_logger() -> LineCallback:
    """Return what logs the acquisition's lines as words of the step that calls this, from whichever thread."""
    context = contextvars.copy_context()

    def tell(stream: StreamName, line: str) -> None:
        level = logging.WARNING if stream == "error" else logging.INFO
        context.copy().run(_output.log, level, "%s", line)

    return tell


def running(session: Session, made: object, on_line: LineCallback) -> RunningEngine | None:
    """Return what ``create_process`` made, under way; None: it made nothing.

    Raises:
        BadInput: it is neither an engine nor a process.
    """
    if made is None:
        return None
    if isinstance(made, RunningEngine):
        return made
    if isinstance(made, Engine):
        return made.start()
    if is_process(made):
        return ForeignProcess(made, on_line)
    raise BadInput(
        f"create_process of launcher {session.needed.launcher}",
        found=f"a {type(made).__name__}",
        expected="an engine, a process such as subprocess.Popen gives, or None",
    )


def await_end(session: Session, acquisition: RunningEngine, resources: ResourceLog | None) -> EngineResult:
    """Wait for the acquisition's end; signals end it, gently first, the second one at once.

    Args:
        session: whose.
        acquisition: what runs.
        resources: log that watches its processes meanwhile.
    """
    grace_s = stop_grace_s(session.needed)
    if resources is not None:
        resources.acquisition = _members(acquisition)
    try:
        with session.interruption.passed_to(
            lambda reason, again: acquisition.request_stop(reason, 0 if again else grace_s)
        ):
            if session.interruption.reason is not None:  # said before there was anything to stop
                acquisition.request_stop(session.interruption.reason, grace_s)
            result = acquisition.wait()
    finally:
        if resources is not None:
            resources.acquisition = None
    assert result is not None  # without a time limit there is one  # noqa: S101
    session.result = result
    _log.info("Acquisition %s after %.1f s%s", result.outcome, result.seconds, _because(result))
    return result


def _because(result: EngineResult) -> str:
    return f": {result.reason}" if result.reason else ""


def _members(acquisition: RunningEngine) -> Callable[[], Any]:
    """Return what gives the acquisition's processes."""
    tree = getattr(acquisition, "tree", None)
    if tree is not None:
        return tree.members  # type: ignore[no-any-return]

    def found() -> list[psutil.Process]:
        pid = acquisition.pid
        if pid is None:
            return []
        try:
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
        except psutil.Error:
            return []

    return found
