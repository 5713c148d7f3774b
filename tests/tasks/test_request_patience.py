"""Requests to a Prefect API that is busy, or away for a moment."""

import httpx
import pytest

from opticstream.tasks import request_patience
from opticstream.tasks.request_patience import repeated
from support.module_clock import ModuleClock


def _status(code: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("no", request=httpx.Request("GET", "http://x"), response=httpx.Response(code))


SILENT, AWAY, LOCKED = httpx.ReadTimeout("no reply"), httpx.ConnectError("refused"), _status(503)


class Requests:
    """A request that fails in turn, six seconds each time, until it is answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock, self.sent = ModuleClock(request_patience, monkeypatch), 0

    def __call__(self, *errors: httpx.HTTPError) -> str:
        left = list(errors)
        self.sent = 0

        def request() -> str:
            self.sent += 1
            if not left:
                return "the reply"
            self._clock.ahead_s += 6
            raise left.pop(0)

        return repeated(request, away_s=2, busy_s=10)


@pytest.mark.parametrize("error", [SILENT, LOCKED, _status(408), _status(429)])
def test_a_server_that_is_busy_for_seconds_is_asked_again(
    error: httpx.HTTPError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of its failures take twelve seconds, which is longer than it is waited for."""
    requests = Requests(monkeypatch)
    assert requests(error) == "the reply"
    with pytest.raises(type(error)):
        requests(*[error] * 9)
    assert requests.sent == 2


def test_one_that_is_away_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch)
    assert requests(AWAY) == "the reply"
    with pytest.raises(httpx.ConnectError):
        requests(AWAY, AWAY)


def test_what_it_refuses_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch)
    with pytest.raises(httpx.HTTPStatusError):
        requests(_status(409))
    assert requests.sent == 1
