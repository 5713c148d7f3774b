"""The operator who sits at the Prefect UI, or at ``opticstream answer``."""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Question, Value
from opticstream.core.turns import taking_turns
from opticstream.tasks.flow_run_pause import FlowRunPause, RunEnded, prompt_client, without_retries
from opticstream.tasks.question_form import WITHDRAWN, QuestionForm
from opticstream.tasks.request_patience import passing, repeated

_log = logging.getLogger("opticstream.rig.operator")
_POLL_S = 0.5
_AWAY_S = 2.0
_BUSY_S = 10.0
"""How long the last word to a question is tried: a question that is left open is taken over by the next one."""

T = TypeVar("T")
_TURNS: weakref.WeakValueDictionary[UUID, threading.Lock] = weakref.WeakValueDictionary()
"""One lock per run: a run has one pause, whoever asks."""

_TURNS_CHANGE = threading.Lock()


class _TimeOver(Exception):
    """The question's time is over."""


class PrefectOperator:
    """Asks by pausing the flow run with a form; an :class:`opticstream.core.operator.Operator`.

    One question at a time per run: other threads wait for their turn, and a question's time begins when it is
    shown. While the API is away the question waits, within its time.

    Args:
        flow_run_id: of the run to pause; None: the one in which this is made. Questions may then come from its task
            runs and from any thread.

    Raises:
        BadInput: there is no flow run.
    """

    name = "prefect"

    def __init__(self, flow_run_id: UUID | None = None) -> None:
        if flow_run_id is None:
            context = FlowRunContext.get()
            if context is None or context.flow_run is None:
                raise BadInput("operator", found="prefect, but no flow run", expected="to be made inside a flow run")
            flow_run_id = context.flow_run.id
        self._run_id = flow_run_id
        self._url: str | None = PREFECT_API_URL.value()
        with _TURNS_CHANGE:
            self._turn = _TURNS.setdefault(flow_run_id, threading.Lock())

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        """Pause the run until the form is answered, again after each wrong answer.

        Args:
            question: what.
            timeout_s: seconds until the run is resumed without an answer; None: never.

        Raises:
            NoAnswer: the time is over, or the run is over or gone.
            KeyboardInterrupt: the run was cancelled.
        """
        with taking_turns(self._turn), without_retries(), prompt_client(self._url) as client:
            deadline = None if timeout_s is None else time.monotonic() + timeout_s
            expires = None if timeout_s is None else datetime.now(UTC) + timedelta(seconds=timeout_s)
            reason, refused = "", None
            while True:
                pause = FlowRunPause(client, self._run_id, QuestionForm(question, reason, expires))
                try:
                    given = self._given(pause, deadline, refused)
                    value = pause.form.read(given)
                except BadInput as error:
                    reason, refused = str(error), pause
                    _log.warning("%s: not taken in Prefect: %s", question.key, reason)
                except RunEnded as ended:
                    if ended.cancelled:
                        raise KeyboardInterrupt(f"a cancellation in Prefect (cancelled at {question.key})") from None
                    raise NoAnswer(question.key, found=str(ended), expected=question.expected) from None
                except ObjectNotFound:
                    raise NoAnswer(question.key, found="no such flow run", expected=question.expected) from None
                except httpx.HTTPStatusError as error:
                    found = f"{error.response.status_code} {error.response.reason_phrase} from the Prefect API"
                    raise NoAnswer(question.key, found=found, expected=question.expected) from None
                except _TimeOver:
                    found = f"no answer within {timeout_s:g} s"
                    raise NoAnswer(question.key, found=found, expected=question.expected) from None
                else:
                    _log.info("%s: %r (answered in Prefect)", question.key, value)
                    _settle(pause, "")
                    return value

    def tell(self, text: str) -> None:
        """Write it to the log, which is on the run's page."""
        _log.info("%s", text)

    def _given(self, pause: FlowRunPause, deadline: float | None, refused: FlowRunPause | None) -> dict[str, Any]:
        """Return what was answered to one showing of the form; ``refused`` is the one before."""
        form = pause.form
        try:
            try:
                _patiently(pause.begin, deadline)
            finally:
                if refused is not None:  # only now: whoever is told that it was not taken can answer again at once
                    _settle(refused, form.reason)
            _log.info("%s asked in Prefect: %s", form.question.key, form.question.text)
            while (given := _patiently(pause.answered, deadline)) is None:
                _sleep(deadline)
        except _TimeOver:
            late = _withdrawn(pause, "expired")
            if late is None:
                raise
            given = late
        except BaseException:
            _withdrawn(pause, "ended")  # else people would answer what nobody asks
            raise
        if WITHDRAWN in given:  # by us, in a request whose reply was lost
            raise _TimeOver
        return given


def _patiently(work: Callable[[], T], deadline: float | None) -> T:
    """Return what a request gives, repeated while the API is away."""
    told = False
    while True:
        try:
            return work()
        except httpx.HTTPError as error:
            if not passing(error):
                raise
            (_log.debug if told else _log.warning)("The Prefect API is away, the question waits: %s", error)
            told = True
        _sleep(deadline)


def _sleep(deadline: float | None) -> None:
    left = _POLL_S if deadline is None else min(_POLL_S, deadline - time.monotonic())
    if left <= 0:
        raise _TimeOver
    time.sleep(left)


def _withdrawn(pause: FlowRunPause, why: str) -> dict[str, Any] | None:
    try:
        return repeated(lambda: pause.withdraw(why), away_s=_AWAY_S, busy_s=_BUSY_S)
    except (httpx.HTTPError, ObjectNotFound) as error:  # the next question takes over a pause that is left
        _log.warning("The question stays open in Prefect, though nobody asks it any more: %s", error)
    return None


def _settle(pause: FlowRunPause, reason: str) -> None:
    try:
        repeated(lambda: pause.settle(reason), away_s=_AWAY_S, busy_s=_BUSY_S)
    except (httpx.HTTPError, ObjectNotFound) as error:
        _log.warning("Whoever answered is not told whether it was taken: %s", error)
