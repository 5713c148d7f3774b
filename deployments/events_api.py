"""Prefect's events API over HTTP, as the relay uses it."""

from typing import Any, Literal, Self

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

_TIMEOUT_S = 10.0


class PrefectEvents:
    """A connection of the relay's own; not shared between threads. Use as a context manager.

    Args:
        url: address of the Prefect API.
    """

    def __init__(self, url: str) -> None:
        # The relay has its own patience, and its events to keep meanwhile.
        with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
            self._client: SyncPrefectClient = get_client(httpx_settings={"timeout": _TIMEOUT_S}, sync_client=True)
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
        answer = self._client.request("POST", path, json=body)
        answer.raise_for_status()
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.__exit__(*exc)
