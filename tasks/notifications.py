"""Telling people what happened, without ever being the reason that something fails."""

import asyncio
import logging
from typing import TYPE_CHECKING

from opticstream.core.deadline import within
from opticstream.core.notice import Level, Notice

if TYPE_CHECKING:
    from opticstream.state.blocks.notifier import Notifier

log = logging.getLogger(__name__)

_LOG_LEVEL: dict[Level, int] = {
    "info": logging.INFO,
    "success": logging.INFO,
    "warning": logging.WARNING,
    "failure": logging.ERROR,
}
_silent: set[str] = set()
"""Projects whose notifier is out: one warning an outage."""


def notify(
    project: str, subject: str, body: str = "", level: Level = "info", *, timeout_s: float = 10.0, logged: bool = True
) -> bool:
    """Log a notice, and send it through the project's notifier block if there is one and the API can be asked.

    It never raises. While a notifier is out, the first failure is a warning and the others are debug lines; the
    notices themselves are in the log.

    Args:
        project: project name.
        subject: one line.
        body: details.
        level: how urgent it is.
        timeout_s: seconds after which it is given up.
        logged: log it; False: the caller's log says it already.

    Returns:
        Whether a notifier took it.
    """
    notice = Notice(subject, body, level)
    number = _LOG_LEVEL[level] if logged else logging.DEBUG
    log.log(number, "%s: %s%s", project, notice.subject, f"\n{notice.body}" if notice.body else "")
    try:
        sent = within(timeout_s, lambda: _send(project, notice, timeout_s), "notifier")
    except (Exception, asyncio.CancelledError) as error:  # whatever it is, the work goes on
        problem = log.debug if project in _silent else log.warning
        _silent.add(project)
        problem("%s: a notice could not be sent (%s); notices are in the log", project, error or type(error).__name__)
        return False
    if project in _silent:
        _silent.discard(project)
        log.info("%s: notices are sent again", project)
    return sent


def _send(project: str, notice: Notice, timeout_s: float) -> bool:
    notifier = _load(project)
    if notifier is None or notifier.kind == "log" or not notice.reaches(notifier.least_level):
        return False
    notifier.notify(notice.subject, notice.body, notice.level, timeout_s=min(5.0, timeout_s))
    return True


def _load(project: str) -> "Notifier | None":
    """Return the project's block, None without one or without an API: Prefect would start a server to ask."""
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from opticstream.state.blocks.notifier import Notifier

    if not PREFECT_API_URL.value():
        return None
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            return asyncio.run(Notifier.aload(Notifier.document_name(project)))
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        raise
