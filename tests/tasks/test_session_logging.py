"""What of an acquisition's output is sent to its run's page."""

import logging
from types import SimpleNamespace
from uuid import UUID

import pytest

from opticstream.rig.launcher.acquisition import OUTPUT_LOGGER
from opticstream.tasks import session_logging

RUN = UUID(int=1)


def test_a_thousand_lines_then_fifty_a_second_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[logging.LogRecord] = []
    now = 100.0

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            sent.append(record)

    monkeypatch.setattr(session_logging, "APILogHandler", Handler)
    monkeypatch.setattr(session_logging, "time", SimpleNamespace(monotonic=lambda: now))
    output = logging.getLogger(OUTPUT_LOGGER)
    with session_logging.logging_to_run(RUN):
        for _ in range(1500):
            output.info("frame")
        now += 2
        for _ in range(500):
            output.info("frame")
    *lines, last = sent
    assert len(lines) == 1100 and {line.getMessage() for line in lines} == {"frame"}
    assert last.getMessage().startswith("900 lines of the acquisition are not shown here")
    assert {record.__dict__["flow_run_id"] for record in sent} == {RUN}
