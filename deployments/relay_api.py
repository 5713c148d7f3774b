"""The relay's connection: found anew when the API was away."""

from typing import TYPE_CHECKING, Self

from opticstream.core.settings import Settings
from opticstream.deployments.api import find_api
from opticstream.deployments.server import ANSWERS_WITHIN_S, api_healthy

if TYPE_CHECKING:
    from opticstream.deployments.events_api import PrefectEvents


class RelayApi:
    """Gives a relay the events API while there is one; use as a context manager, call it from the relay's thread.

    Args:
        settings: say which API this process would use.
        timeout_s: longest wait for an answer to one request; None: long enough for a busy server.
    """

    def __init__(self, settings: Settings, timeout_s: float | None = None) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        self._url: str | None = None
        self._events: PrefectEvents | None = None

    def __call__(self) -> "PrefectEvents | None":
        """Return the connection; None while no API answers."""
        url = find_api(self._settings).url
        if url is None or not api_healthy(url, self._timeout_s or ANSWERS_WITHIN_S):
            return None
        if self._events is None or url != self._url:
            from opticstream.deployments.events_api import TIMEOUT_S, PrefectEvents  # Prefect takes two seconds

            self.close()
            self._url, self._events = url, PrefectEvents(url, self._timeout_s or TIMEOUT_S)
        return self._events

    def close(self) -> None:
        """Close the connection."""
        if self._events is not None:
            self._events.__exit__(None, None, None)
            self._events = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
