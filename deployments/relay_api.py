"""The relay's connection: found anew when the API was away."""

from typing import TYPE_CHECKING, Self

from opticstream.core.settings import Settings
from opticstream.deployments.api import find_api
from opticstream.deployments.server import api_healthy

if TYPE_CHECKING:
    from opticstream.deployments.events_api import PrefectEvents


class RelayApi:
    """Gives a relay the events API while there is one; use as a context manager, call it from the relay's thread.

    Args:
        settings: say which API this process would use.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url: str | None = None
        self._events: PrefectEvents | None = None

    def __call__(self) -> "PrefectEvents | None":
        """Return the connection; None while no API answers."""
        url = find_api(self._settings).url
        if url is None or not api_healthy(url):
            return None
        if self._events is None or url != self._url:
            from opticstream.deployments.events_api import PrefectEvents  # Prefect takes two seconds to import

            self.close()
            self._url, self._events = url, PrefectEvents(url)
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
