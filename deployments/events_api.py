"""Prefect's events API over HTTP, as the relay uses it."""

from typing import Any, Literal, Self

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

TIMEOUT_S = 10.0


class PrefectEvents:
    """A connection of the relay's own; not shared between threads. Use as a context manager.

    Args:
        url: address of the Prefect API.
        timeout_s: longest wait for an answer to one request.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        with temporary_settings({PREFECT_API_URL: url}):
            self._client: SyncPrefectClient = get_client(httpx_settings={"timeout": timeout_s}, sync_client=True)
            self._client.__enter__()

    def post(self, events: list[dict[str, Any]]) -> None:
        """Hand events over.

        Raises:
            httpx.HTTPError: they were not taken.
        """
        self._request("/events", events)

    def stored(self, ids: list[str]) -> set[str]:
        """Return those of the events that can be read back.

        Args:
            ids: at most 50.

        Raises:
            httpx.HTTPError: the API cannot be asked.
        """
        answer = self._request("/events/filter", {"filter": {"id": {"id": ids}}, "limit": len(ids)}).json()
        return {event["id"] for event in answer["events"]}

    def _request(self, path: Literal["/events", "/events/filter"], body: Any) -> httpx.Response:
        # The relay has its own patience, and its events to keep meanwhile. Prefect asks for this at each request.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            answer = self._client.request("POST", path, json=body)
        answer.raise_for_status()
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.__exit__(*exc)
