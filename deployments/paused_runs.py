"""Flow runs that wait for an answer, and answering them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterName, FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateType as StateTypeFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus

from opticstream.core.errors import BadInput, ServerUnavailable
from opticstream.tasks.flow_run_pause import outcome_key, prompt_client, read_input, without_retries
from opticstream.tasks.question_form import QuestionForm
from opticstream.tasks.request_patience import repeated

_PAGE = 200
_POLL_S = 0.1
_AWAY_S = 5.0
_BUSY_S = 20.0
"""A server that is there but busy answers 503 for seconds, or not at all; one that is away refuses."""
T = TypeVar("T")
_PAUSED = FlowRunFilterState(type=StateTypeFilter(any_=[StateType.PAUSED]))


@dataclass(frozen=True, slots=True)
class PausedRun:
    """A flow run that waits, and what it asks."""

    id: UUID
    name: str
    schema_key: str
    form: QuestionForm


class PausedRuns:
    """The flow runs of one Prefect API that wait for an answer; use as a context manager.

    Args:
        url: of the API.

    Every method raises ``ServerUnavailable`` when the API does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Self:
        self._client = prompt_client(self._url).__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.__exit__(*exc)

    def all(self) -> list[PausedRun]:
        """Return all runs that ask a question of ours."""
        with self._asking():
            return [run for row in self._rows(FlowRunFilter(state=_PAUSED)) if (run := self._paused(row)) is not None]

    def find(self, wanted: str) -> PausedRun:
        """Return the waiting run of an id or name, of which the beginning is enough where it is the only one.

        Raises:
            BadInput: there is none, it waits for nothing, or there are several.
        """
        with self._asking():
            waiting = list(self._rows(FlowRunFilter(state=_PAUSED)))
            found = [row for row in waiting if wanted in (row.name, str(row.id))]
            found = found or [row for row in waiting if str(row.id).startswith(wanted) or row.name.startswith(wanted)]
            if not found:
                raise self._absent(wanted)
            if len(found) > 1:
                names = ", ".join(f"{row.name} ({str(row.id)[:8]})" for row in found)
                raise BadInput(f"run {wanted}", found=f"{len(found)} runs that wait: {names}", expected="one of them")
            run = self._paused(found[0])
            if run is None:
                raise BadInput(
                    f"run {found[0].name}",
                    found="a pause without a question",
                    expected="a question of opticstream",
                    action="Resume it in the Prefect UI.",
                )
            return run

    def answer(self, run: PausedRun, values: Mapping[str, str], wait_s: float = 10) -> str:
        """Answer a run's question, and wait until the asking side has looked at it.

        Args:
            run: as it was found.
            values: what people typed, by the question's key.
            wait_s: how long to wait for it.

        Returns:
            Why the answer was not taken; blank when it was.

        Raises:
            BadInput: a key that was not asked for, or none.
        """
        question = run.form.question
        if set(values) != {question.key}:
            given = ", ".join(sorted(set(values) - {question.key})) or "nothing"
            raise BadInput(f"answer to {run.name}", found=f"a value for {given}", expected=f"{question.key}=…")
        typed = values[question.key]
        if run.form.choices and typed.strip():  # the form knows only their exact spelling
            try:
                typed = question.shown(question.value(typed))
            except BadInput as refused:
                return str(refused)
        with self._asking():
            result, doubtful = self._resume(run, {question.key: typed} if typed.strip() else {})
        if result.status != SetStateStatus.ACCEPT and not doubtful:
            return str(getattr(result.details, "reason", "") or "the run does not wait any more")
        return self._outcome(run, wait_s)

    def _resume(self, run: PausedRun, given: dict[str, str]) -> tuple[OrchestrationResult[Any], bool]:
        """Return what the API says, and whether an earlier request without a reply may have resumed the run."""
        doubtful = False

        def resume() -> OrchestrationResult[Any]:
            nonlocal doubtful
            try:
                return self._client.resume_flow_run(run.id, given)
            except httpx.TransportError as error:
                doubtful |= not isinstance(error, httpx.ConnectError)
                raise

        return _patiently(resume), doubtful

    def _outcome(self, run: PausedRun, wait_s: float) -> str:
        deadline = time.monotonic() + wait_s
        while True:
            with suppress(httpx.HTTPError), without_retries():
                if (outcome := read_input(self._client, run.id, outcome_key(run.schema_key))) is not None:
                    return str(outcome["reason"])
            if time.monotonic() > deadline:
                return f"nobody looked at it within {wait_s:g} s; is the launcher of this run still there?"
            time.sleep(_POLL_S)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with without_retries():
                yield
        except httpx.HTTPError as error:
            raise ServerUnavailable(f"Prefect API {self._url}", found=str(error) or type(error).__name__) from None

    def _rows(self, wanted: FlowRunFilter) -> Iterator[FlowRun]:
        offset = 0
        while page := _patiently(
            partial(self._client.read_flow_runs, flow_run_filter=wanted, limit=_PAGE, offset=offset)
        ):
            yield from page
            offset += len(page)
            if len(page) < _PAGE:
                return

    def _paused(self, row: FlowRun) -> PausedRun | None:
        keys = row.state.state_details.run_input_keyset if row.state else None
        schema_key = (keys or {}).get("schema")
        if schema_key is None:
            return None
        form = QuestionForm.of_schema(_patiently(partial(read_input, self._client, row.id, schema_key)))
        return None if form is None else PausedRun(row.id, row.name, schema_key, form)

    def _absent(self, wanted: str) -> BadInput:
        """Return why no waiting run is meant: another one is, or none."""
        chosen: dict[str, Any] = {"name": FlowRunFilterName(any_=[wanted])}
        with suppress(ValueError):
            chosen = {"id": FlowRunFilterId(any_=[UUID(wanted)])}
        row = next(self._rows(FlowRunFilter(**chosen)), None)
        action = "`opticstream answer --list` shows the runs that wait."
        if row is None:
            return BadInput(f"run {wanted}", found="no such run that waits", action=action)
        state = row.state.name if row.state else "no state"
        return BadInput(f"run {row.name}", found=f"{state}", expected="a run that waits for an answer", action=action)


def _patiently(work: Callable[[], T]) -> T:
    return repeated(work, away_s=_AWAY_S, busy_s=_BUSY_S)
