"""A session's words on the pages of its flow run and task runs."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from opticstream.rig.launcher.acquisition import OUTPUT_LOGGER

_log = logging.getLogger("opticstream.rig")
_LINES_PER_S = 50.0
_BURST_LINES = 1000.0


class _RunPage(logging.Filter):
    """Lets through what a run's page is for, and says to which run it belongs when the thread does not know."""

    def __init__(self, flow_run_id: UUID) -> None:
        super().__init__()
        self._flow_run_id = flow_run_id
        self._budget, self._at = _BURST_LINES, time.monotonic()
        self.left_out = 0
        """Lines of the acquisition that were not sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == OUTPUT_LOGGER and not self._room():
            return False
        if FlowRunContext.get() is None and TaskRunContext.get() is None:
            record.flow_run_id = self._flow_run_id
        return True

    def _room(self) -> bool:
        """Say whether another line of the acquisition may be sent; all of them are in the session's files."""
        now = time.monotonic()
        self._budget = min(_BURST_LINES, self._budget + (now - self._at) * _LINES_PER_S)
        self._at = now
        if self._budget < 1:
            self.left_out += 1
            return False
        self._budget -= 1
        return True


@contextmanager
def logging_to_run(flow_run_id: UUID) -> Iterator[None]:
    """Send what opticstream logs while the body runs to the flow run, from INFO on.

    Of the acquisition's own output at most 50 lines a second are sent, 1,000 at first.
    """
    handler = APILogHandler()
    handler.setLevel(logging.INFO)
    page = _RunPage(flow_run_id)
    handler.addFilter(page)
    logger = logging.getLogger("opticstream")
    level = logger.level
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        if page.left_out:
            _log.info("%d lines of the acquisition are not shown here; the session's files have them", page.left_out)
        logger.removeHandler(handler)
        logger.setLevel(level)
