"""Steps without Prefect: retries, and what is none."""

import logging
import time

import pytest

from opticstream.core.errors import BadInput
from opticstream.core.steps import PlainSteps, Step


class Flaky:
    """Fails a number of times."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.left, self.calls, self.error = failures, 0, error or OSError("not yet")

    def __call__(self) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return self.calls


def test_a_step_is_named_and_gives_its_result(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "opticstream"):
        assert PlainSteps().run(Step("look", lambda: "seen")) == "seen"
    assert [record.getMessage() for record in caplog.records] == ["look"]


def test_failures_are_retried_and_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    work = Flaky(2)
    assert PlainSteps().run(Step("copy", work, retries=2, retry_delay_s=7)) == 3
    assert waits == [7, 7]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["copy: not yet; trying again (2 left)", "copy: not yet; trying again (1 left)"]


def test_the_last_failure_is_raised() -> None:
    work = Flaky(5)
    with pytest.raises(OSError, match="not yet"):
        PlainSteps().run(Step("copy", work, retries=1))
    assert work.calls == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interruption_is_no_failure(error: BaseException) -> None:
    work = Flaky(1, error)
    with pytest.raises(type(error)):
        PlainSteps().run(Step("copy", work, retries=3))
    assert work.calls == 1


@pytest.mark.parametrize(("retries", "delay"), [(-1, 0), (1, -1)])
def test_a_step_that_could_not_run(retries: int, delay: float) -> None:
    with pytest.raises(BadInput, match="step copy"):
        Step("copy", print, retries=retries, retry_delay_s=delay)
