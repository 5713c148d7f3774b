"""Notices that the flow run around a session was cancelled in Prefect."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from opticstream.core.background import in_background
from opticstream.tasks.flow_run_pause import prompt_client, without_retries

_log = logging.getLogger("opticstream.rig")
_EVERY_S = 2.0
_REQUEST_S = 2.0
"""The session's end waits for a request under way."""
REASON = "a cancellation in Prefect"


@contextmanager
def cancellation_watched(run: FlowRun, interrupt: Callable[[str], None]) -> Iterator[None]:
    """Call ``interrupt`` with the reason, from a thread, when the run is cancelled while the body runs.

    The run of a deployment is not watched: whoever started its process ends it by a signal, and a second word would
    be impatience. An API that is away is asked again later, so the session goes on.
    """
    if run.deployment_id is not None:
        yield
        return
    url = PREFECT_API_URL.value()
    with in_background("cancellation", lambda ended: _watch(url, run.id, interrupt, ended)):
        yield


def _watch(url: str | None, run_id: UUID, interrupt: Callable[[str], None], ended: threading.Event) -> None:
    with without_retries(), prompt_client(url, _REQUEST_S) as client:
        while not ended.wait(_EVERY_S):
            try:
                state = client.read_flow_run(run_id).state
            except ObjectNotFound:
                return
            except httpx.HTTPError as error:
                _log.debug("Whether the run is cancelled is not known: %s", error)
                continue
            if state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED):
                if not ended.is_set():
                    _log.warning("The flow run was cancelled in Prefect: the session ends")
                    interrupt(REASON)
                return
