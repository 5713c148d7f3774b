"""The last words of a session to Prefect, which never wait long for an API that is away."""

import logging
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, SyncPrefectClient

from opticstream.tasks.flow_run_pause import without_retries
from opticstream.tasks.session_artifacts import publish

log = logging.getLogger(__name__)


def farewell(client: PrefectClient | SyncPrefectClient, artifacts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Publish artifacts of the flow run around the caller, if its API is there.

    When it is not, the run's engine, whose client this is, is kept from asking it again and again for the run's final
    state: everything about the session is written, people wait, and ``tell_session`` sets the state later.

    Args:
        client: of the flow run's engine.
        artifacts: what to show.

    Returns:
        What Prefect was not shown.
    """
    if not isinstance(client, SyncPrefectClient):
        return publish(artifacts)
    with without_retries():
        there = _answers(client)
        left = publish(artifacts) if there else artifacts
        if left and there:
            there = _answers(client)
    if not there:
        log.warning("The Prefect API is away; it is told how the session ended when it is there again")
        _silence(client)
    return left


def _answers(client: SyncPrefectClient) -> bool:
    """Say whether the API is there: it is asked twice, since a busy one may take longer than a request may."""
    return any(client.api_healthcheck() is None for _ in range(2))


def _silence(client: SyncPrefectClient) -> None:
    def away(*_: Any, **__: Any) -> httpx.Response:
        raise httpx.ConnectError("the Prefect API was away when the session ended")

    client._client.send = away  # type: ignore[method-assign]
