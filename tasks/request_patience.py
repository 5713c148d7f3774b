"""Requests to a Prefect API that is busy, or away for a moment, are repeated."""

import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

import httpx

T = TypeVar("T")
_LATER = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)


def passing(error: httpx.HTTPError) -> bool:
    """Say whether it may pass: a busy SQLite server answers 503 now and then."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code in _LATER
    return isinstance(error, httpx.TransportError)


def repeated(work: Callable[[], T], *, away_s: float, busy_s: float) -> T:
    """Return what a request gives, repeated for a while and once at least; what does not pass is raised at once.

    Args:
        work: sends the request; one may use up all the patience when it gets no answer in its time.
        away_s: how long, for a server that refuses connections: it is not there.
        busy_s: how long, for one that answers 503 or nothing.

    Raises:
        httpx.HTTPError: the last one.
    """
    began = time.monotonic()
    for asked in count(1):
        try:
            return work()
        except httpx.HTTPError as error:
            patience = away_s if isinstance(error, httpx.ConnectError) else busy_s
            if not passing(error) or (asked > 1 and time.monotonic() - began > patience):
                raise
        time.sleep(away_s / 10)
    raise AssertionError("unreachable")
