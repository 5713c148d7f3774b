"""A flow run that waits for a form to be filled in: Prefect's pause with input, through its API."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.input.run_input import keyset_from_base_key
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Paused

from opticstream.tasks.question_form import WITHDRAWN, QuestionForm

_TIMEOUT_S = 5.0
_LATER = timedelta(days=1)
_NEVER = timedelta(days=3650)


class RunEnded(Exception):
    """Raised when the flow run is cancelled, or over, while it waits; ``state`` says how."""

    def __init__(self, state: State[Any]) -> None:
        super().__init__(f"flow run is {state.name or state.type.value}")
        self.state = state

    @property
    def cancelled(self) -> bool:
        """Say whether somebody cancelled it."""
        return self.state.type in (StateType.CANCELLED, StateType.CANCELLING)


def prompt_client(url: str | None, timeout_s: float = _TIMEOUT_S) -> SyncPrefectClient:
    """Return a client for prompts: its requests are bounded to a few seconds, and whoever calls it has the patience.

    Args:
        url: of the API; None: the configured one.
        timeout_s: of a request.
    """
    with temporary_settings({PREFECT_API_URL: url} if url else {}):
        return get_client(httpx_settings={"timeout": timeout_s}, sync_client=True)


def without_retries() -> Any:
    """Return a context in which Prefect's client does not repeat a request, with growing pauses, by itself."""
    return temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0})


class FlowRunPause:
    """One pause for one form; every method is one or a few requests and may be repeated after a failure.

    It does what ``pause_flow_run(wait_for_input=…)`` does, with the same state and the same form, but from any
    thread, task run or process; the form is there before the run is paused, so that no answer is too early; and it
    ends when the run is cancelled, which that function does not notice.

    Args:
        client: see :func:`prompt_client`; call every method within :func:`without_retries`.
        run_id: of the flow run.
        form: what is asked.

    Every method raises ``httpx.HTTPError`` while the API is away, and ``ObjectNotFound`` when it has no such run.
    """

    def __init__(self, client: SyncPrefectClient, run_id: UUID, form: QuestionForm) -> None:
        self._client, self._run_id, self.form = client, run_id, form
        self._key = f"opticstream-{uuid4()}"
        self._keys = {str(name): key for name, key in keyset_from_base_key(f"paused-{self._key}").items()}

    def begin(self) -> None:
        """Pause the run and show the form; a pause that somebody else made, or that was left over, is taken over.

        Raises:
            RunEnded: it is cancelled or over.
        """
        self._put(self._keys["schema"], self.form.schema())
        self._put(self._keys["description"], self.form.description())
        if self._propose(force=False):
            return
        state = self._state()
        if state.is_paused():
            ours = state.state_details.pause_key == self._key  # the reply to an earlier request was lost
            if not ours:
                self._propose(force=True)
            return
        if state.is_final() or state.is_cancelling():
            raise RunEnded(state)
        raise httpx.TransportError(f"the run is {state.name}, which cannot be paused now")

    def answered(self) -> dict[str, Any] | None:
        """Return what was answered; None while the run is paused.

        Raises:
            RunEnded: it is cancelled or over.
        """
        state = self._state()
        if state.is_paused():
            return None
        if state.is_final() or state.is_cancelling():
            raise RunEnded(state)
        return self._response()

    def withdraw(self, why: str) -> dict[str, Any] | None:
        """Resume the run with no answer; return the answer that came in the same moment, if one did."""
        result = self._client.resume_flow_run(self._run_id, {WITHDRAWN: why})
        if result.status == SetStateStatus.ACCEPT:
            return None
        given = self._response()
        return None if WITHDRAWN in given else given or None

    def settle(self, reason: str) -> None:
        """Say whether the answer was taken; a reason says that it was not. ``opticstream answer`` waits for it."""
        self._put(outcome_key(self._keys["schema"]), {"taken": not reason, "reason": reason})

    def _propose(self, *, force: bool) -> bool:
        expires = self.form.expires_at
        later = expires + _LATER if expires else datetime.now(UTC) + _NEVER
        state: State[Any] = Paused(pause_expiration_time=later, pause_key=self._key)
        state.state_details.run_input_keyset = self._keys
        return self._client.set_flow_run_state(self._run_id, state, force=force).status == SetStateStatus.ACCEPT

    def _state(self) -> State[Any]:
        run: FlowRun = self._client.read_flow_run(self._run_id)
        if run.state is None:
            raise httpx.TransportError("the run has no state yet")
        return run.state

    def _response(self) -> dict[str, Any]:
        found = read_input(self._client, self._run_id, self._keys["response"])
        return found if isinstance(found, dict) else {}

    def _put(self, key: str, value: object) -> None:
        try:
            self._client.create_flow_run_input(self._run_id, key, json.dumps(value))
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                raise ObjectNotFound(error) from None
            if error.response.status_code != httpx.codes.CONFLICT:  # there since a request whose reply was lost
                raise


def outcome_key(schema_key: str) -> str:
    """Return the key of the input that says whether the answer to a form was taken."""
    return f"{schema_key.removesuffix('-schema')}-outcome"


def read_input(client: SyncPrefectClient, run_id: UUID, key: str) -> Any:
    """Return an input of a flow run; None: there is none."""
    try:
        return json.loads(client.read_flow_run_input(run_id, key))
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise
