"""What a test asks of a Prefect API, with the patience that a busy server on SQLite needs."""

from typing import Any

import httpx

from support.waiting import PATIENCE_S, until


def answer_of(url: str, path: str, body: Any = None) -> httpx.Response:
    """Return the API's response to a POST of the body, or to a GET where there is none, whatever its status.

    A lock of SQLite is a 503, which Prefect's own client repeats as well.
    """

    def answered() -> httpx.Response | None:
        address = path if "://" in path else f"{url}/{path}"
        method, given = ("GET", {}) if body is None else ("POST", {"json": body})
        found = httpx.request(method, address, timeout=PATIENCE_S, **given)
        return None if found.status_code == httpx.codes.SERVICE_UNAVAILABLE else found

    answer: httpx.Response = until(answered, f"{path} is answered", every_s=0.5)
    return answer


def ask_api(url: str, path: str, body: Any = None) -> Any:
    """Return what the API answers at a path, as `answer_of` asks.

    Raises:
        httpx.HTTPStatusError: it refuses.
    """
    answer = answer_of(url, path, body).raise_for_status()
    return answer.json() if answer.content else None
