"""The operator in Prefect, on a real server: asked, answered, too late, cancelled, and the API away."""

import contextvars
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.exceptions import CancelledRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Running

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Operator, Question
from opticstream.tasks import prefect_operator
from opticstream.tasks.flow_run_pause import FlowRunPause, prompt_client, without_retries
from opticstream.tasks.prefect_operator import PrefectOperator
from opticstream.tasks.question_form import QuestionForm
from support.api import ask_api
from support.asked_run import ASKS_WITHIN_S, AskedRun, SeenRun
from support.asking_flow import QUESTIONS
from support.cut_line import CutLine
from support.module_clock import ModuleClock
from support.waiting import until

WEIGHT, NOTES = QUESTIONS["mouse_weight"], QUESTIONS["notes"]


def test_every_kind_of_question_asked_in_task_runs(prefect_api: str) -> None:
    """Blank is the default where there is one; the run is Running between questions and Completed after them."""
    with AskedRun(prefect_api, *QUESTIONS) as run:
        for key, value in {"mouse_weight": "25,3 g", "arena": "", "ready": "Y", "notes": " "}.items():
            assert run.answer(run.paused(key), value) == ""
        assert run.result() == [25.3, "right one", True, None]
        assert run.row()["state_type"] == "COMPLETED"


def test_a_wrong_answer_is_asked_again_with_the_reason(prefect_api: str) -> None:
    """Also a resume without any answer, and one with a key nobody asked for, as the API allows them."""
    with AskedRun(prefect_api, "mouse_weight") as run:
        first = run.paused()
        assert "found 'heavy'; expected a number from 5 up to 60 (g)" in run.answer(first, "heavy")
        again = run.paused(reason="heavy")
        assert "heavy" in again.form.description() and again.schema_key != first.schema_key
        for given, reason in (({}, "found nothing"), ({"weigth": "25"}, "the key 'weigth'")):
            ask_api(prefect_api, f"flow_runs/{run.id}/resume", {"run_input": given})
            again = run.paused(reason=reason)
        assert run.answer(again, "25") == ""
        assert run.result() == [25.0]


def test_a_question_whose_time_is_over_ends_and_the_run_goes_on(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own deadline resumes the run; Prefect's pause has a day more."""
    clock = ModuleClock(prefect_operator, monkeypatch)
    with AskedRun(prefect_api, "mouse_weight", timeout_s=900) as run:
        asked = run.paused()
        row = run.row()
        expires = row["state"]["state_details"]["pause_timeout"]
        assert asked.form.expires_at is not None
        assert datetime.fromisoformat(expires) == asked.form.expires_at + timedelta(days=1)
        clock.ahead_s = 900
        with pytest.raises(NoAnswer, match="mouse_weight: found no answer within 900 s"):
            run.result()
        states = ask_api(prefect_api, f"flow_run_states/?flow_run_id={run.id}")
        names = [state["type"] for state in sorted(states, key=lambda state: state["timestamp"])]
        assert names[-3:] == ["PAUSED", "RUNNING", "FAILED"], "the failure is the flow's own, after it went on"
        assert "not paused" in run.answer(asked, "25", 0)


@pytest.mark.parametrize("how", ["CANCELLING", "CANCELLED"])
def test_a_cancelled_run_ends_its_question(prefect_api: str, how: str) -> None:
    with AskedRun(prefect_api, "mouse_weight", "notes", timeout_s=None) as run:
        run.paused()
        run.set_state(how)
        with pytest.raises((KeyboardInterrupt, CancelledRun), match="cancelled at mouse_weight"):
            run.result()
        assert run.row()["state_type"] not in ("PAUSED", "RUNNING")


def test_a_run_that_is_over_or_gone_has_nobody_to_ask(prefect_api: str) -> None:
    with AskedRun(prefect_api, "mouse_weight") as run:
        run.paused()
        run.set_state("CRASHED")
        with pytest.raises(NoAnswer, match="flow run is Crashed"):
            run.result()
    with pytest.raises(NoAnswer, match="no such flow run"):
        PrefectOperator(uuid4()).ask(WEIGHT, 30)
    with pytest.raises(BadInput, match="no flow run"):
        PrefectOperator()


def test_it_is_an_operator(prefect_api: str) -> None:
    operator = PrefectOperator(uuid4())
    assert isinstance(operator, Operator) and operator.name == "prefect"
    operator.tell("Good morning.")


@contextmanager
def _asker(operator: PrefectOperator) -> Iterator[Any]:
    """Yield what asks in a thread and returns a future."""
    with ThreadPoolExecutor(4) as pool:
        yield lambda question, timeout_s: pool.submit(contextvars.copy_context().run, operator.ask, question, timeout_s)


@flow
def running() -> None:
    """Stands for a session."""


@pytest.fixture
def session(prefect_api: str) -> SeenRun:
    """Return a run that is Running, whatever this process does."""
    with prompt_client(prefect_api) as client:
        row = client.create_flow_run(running, name=f"session-{uuid4()}", state=Running())
    return SeenRun(prefect_api, row.name)


def test_a_pause_of_somebody_else_is_taken_over(session: SeenRun) -> None:
    """A pause from the UI, and the question that a killed session left."""
    session.set_state("PAUSED")
    with _asker(PrefectOperator(session.id)) as ask:
        asked = ask(WEIGHT, 600)
        assert session.answer(session.paused(WEIGHT.key), "30") == ""
        assert asked.result(ASKS_WITHIN_S) == 30.0


def test_threads_ask_one_after_the_other(session: SeenRun) -> None:
    first, second = PrefectOperator(session.id), PrefectOperator(session.id)
    with _asker(first) as ask, _asker(second) as ask_too:
        asked = [(ask, ask_too)[number % 2](Question(f"q{number}", "?"), 600) for number in range(3)]
        answered: dict[str, str] = {}
        while len(answered) < 3:
            found = session.paused()
            key = found.form.question.key
            if key.startswith("q") and key not in answered:
                answered[key] = f"to {key}"
                assert session.answer(found, answered[key]) == ""
        assert [each.result(ASKS_WITHIN_S) for each in asked] == ["to q0", "to q1", "to q2"]


def test_an_api_that_is_away_is_waited_out(session: SeenRun, caplog: pytest.LogCaptureFixture) -> None:
    """Away when it asks, and while it waits."""
    with CutLine(session.url) as line:
        with temporary_settings({PREFECT_API_URL: line.url}):
            operator = PrefectOperator(session.id)
        line.cut()
        with _asker(operator) as ask:
            asked = ask(WEIGHT, 600)
            until(lambda: "is away" in caplog.text, "it is told")
            line.mend()
            found = session.paused(WEIGHT.key)
            caplog.clear()
            line.cut()
            until(lambda: "is away" in caplog.text, "it is told again")
            assert "nobody looked" in session.answer(found, "31", 0)
            line.mend()
            assert asked.result(ASKS_WITHIN_S) == 31.0


def test_an_api_that_stays_away_costs_no_more_than_the_time(session: SeenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run stays paused then; the next question takes the pause over."""
    clock = ModuleClock(prefect_operator, monkeypatch)
    with CutLine(session.url) as line:
        with temporary_settings({PREFECT_API_URL: line.url}):
            operator = PrefectOperator(session.id)
        with _asker(operator) as ask:
            asked = ask(WEIGHT, 600)
            session.paused(WEIGHT.key)
            line.cut()
            clock.ahead_s = 600
            with pytest.raises(NoAnswer, match="no answer within 600 s"):
                asked.result(ASKS_WITHIN_S)
            line.mend()
            later = ask(NOTES, 600)
            assert session.answer(session.paused(NOTES.key), "late") == ""
            assert later.result(ASKS_WITHIN_S) == "late"


def test_requests_whose_replies_were_lost_are_repeated_without_harm(session: SeenRun) -> None:
    with prompt_client(session.url) as client, without_retries():
        pause = FlowRunPause(client, session.id, QuestionForm(WEIGHT))
        pause.begin()
        pause.begin()
        assert pause.answered() is None
        assert session.paused().form.question == WEIGHT
        client.resume_flow_run(session.id, {WEIGHT.key: "30"})
        assert pause.withdraw("expired") == pause.answered() == {WEIGHT.key: "30"}, "it came in the same moment"
        pause.settle("")
        pause.settle("")


def test_nobody_looks_at_an_answer(session: SeenRun) -> None:
    """What a session that was killed left open can be answered, and it is said that nobody heard."""
    with prompt_client(session.url) as client, without_retries():
        FlowRunPause(client, session.id, QuestionForm(WEIGHT)).begin()
    run = session.paused(WEIGHT.key)
    assert "nobody looked at it within 0.2 s" in session.answer(run, "25", 0.2)
    assert "not paused" in session.answer(run, "25")
