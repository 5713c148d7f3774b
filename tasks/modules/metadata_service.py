"""The lab's metadata service over HTTP: patient, bounded, and with the last good answers at hand."""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from opticstream.core.errors import BadInput, OpticstreamError
from opticstream.core.files import write_text
from opticstream.rig.modules import ModuleContext
from opticstream.tasks.modules.metadata_parameters import MetadataParameters

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0
_LARGEST = 64 * 2**20
"""Bytes of an answer; records have some hundred kilobytes."""


class ServiceFailed(OpticstreamError):
    """Raised when the service gives no answer that can be used, and none is in the cache."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said."""

    body: Any
    """JSON."""

    valid: bool = True
    """False: the service answered 400, its data are not what they should be."""

    age: timedelta | None = None
    """How old an answer from the cache is; None: it is new."""

    @property
    def note(self) -> str:
        """Return what people should know about it; empty: nothing."""
        if self.age is not None:
            return f"the service does not answer; from the cache, {_told(self.age)} old"
        return "" if self.valid else "the service calls it invalid"


class _Again(Exception):
    """The request may succeed when it is repeated."""


class MetadataService:
    """One service.

    Args:
        base_url: its address.
        timeout_s: longest time one request may take as a whole, seconds.
        retries: how often a request is repeated after no answer, 429 or an error of the server.
        cache: folder of the last good answers; None: there is none.
        log: where repetitions are told.

    Raises:
        BadInput: the address is none.
    """

    def __init__(
        self, base_url: str, *, timeout_s: float, retries: int, cache: Path | None, log: logging.Logger
    ) -> None:
        try:
            url = httpx.URL(base_url.strip().rstrip("/"))
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise BadInput("metadata_service_base_url", found=repr(base_url), expected="http://HOST or https://HOST")
        self._base, self._timeout_s, self._retries, self._cache, self._log = str(url), timeout_s, retries, cache, log

    def get(self, *parts: str) -> Answer:
        """Return what the service says at a path below ``/api/v2``, or what it last said.

        Args:
            parts: of the path; each is quoted.

        Raises:
            ServiceFailed: it does not answer, or refuses; with its words.
        """
        url = "/".join([self._base, "api", "v2", *(quote(part, safe="") for part in parts)])
        try:
            answer = self._patiently(url)
        except _Again as error:
            return self._remembered(url, str(error))
        if answer.valid:
            self._remember(url, answer.body)
        return answer

    def _patiently(self, url: str) -> Answer:
        wait = _FIRST_WAIT_S
        with httpx.Client(timeout=self._timeout_s, follow_redirects=True) as client:
            for left in range(self._retries, -1, -1):
                try:
                    return self._once(client, url)
                except _Again as error:
                    if not left:
                        raise
                    self._log.warning("%s: %s; trying again in %g s (%d left)", url, error, wait, left)
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_S)
        raise AssertionError("unreachable")

    def _once(self, client: httpx.Client, url: str) -> Answer:
        try:
            status, content = self._read(client, url)
        except httpx.TimeoutException:
            raise _Again(f"no answer within {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise _Again(str(error) or type(error).__name__) from None
        if status == 429 or status >= 500:
            raise _Again(f"HTTP {status} {_excerpt(content)}".strip())
        if status not in (200, 400):
            raise ServiceFailed(url, found=f"HTTP {status} {_excerpt(content)}".strip(), expected="HTTP 200")
        try:
            body = json.loads(content)
        except ValueError:
            if status == 400:
                raise ServiceFailed(url, found=f"HTTP 400 {_excerpt(content)}", expected="HTTP 200") from None
            # Such as the page on which a hotel's or a university's network asks for a password.
            raise _Again(f"no JSON: {_excerpt(content)}") from None
        return Answer(body, valid=status == 200)

    def _read(self, client: httpx.Client, url: str) -> tuple[int, bytes]:
        """Return status and content within the time limit, however slowly they come."""
        end = time.monotonic() + self._timeout_s
        content = bytearray()
        with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if time.monotonic() > end:
                    raise httpx.ReadTimeout("")
                if len(content) > _LARGEST:
                    raise ServiceFailed(url, found="an answer without end", expected=f"at most {_LARGEST >> 20} MiB")
            return response.status_code, bytes(content)

    def _file(self, url: str) -> Path | None:
        return self._cache / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json" if self._cache else None

    def _remember(self, url: str, body: Any) -> None:
        file = self._file(url)
        if file is None:
            return
        document = {"url": url, "fetched_at": datetime.now(UTC).isoformat(), "body": body}
        try:
            write_text(file, json.dumps(document))
        except OSError as error:
            self._log.warning("%s: the answer cannot be kept: %s", file, error.strerror or error)

    def _remembered(self, url: str, why: str) -> Answer:
        file = self._file(url)
        failed = ServiceFailed(
            url,
            found=why + (", and no earlier answer" if file else ""),
            expected="an answer",
            action="Check the network and metadata_service_base_url.",
        )
        try:
            found = json.loads(file.read_bytes()) if file else None
            fetched = datetime.fromisoformat(found["fetched_at"]) if found and found["url"] == url else None
        except (OSError, ValueError, TypeError, KeyError):
            raise failed from None
        if found is None or fetched is None:
            raise failed
        age = max(datetime.now(UTC) - fetched, timedelta(0))
        self._log.warning("%s: %s; taking the answer of %s", url, why, fetched.isoformat(timespec="seconds"))
        return Answer(found["body"], age=age)


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Name what was wanted in an error of the service."""
    try:
        yield
    except ServiceFailed as error:
        raise ServiceFailed(
            f"{what} from {error.where}", found=error.found, expected=error.expected, action=error.action
        ) from None


def service_of(
    context: ModuleContext, parameters: MetadataParameters, timeout_s: float | None = None
) -> MetadataService:
    """Return the service that a module's parameters or the settings name.

    Raises:
        BadInput: the address is none.
    """
    return MetadataService(
        parameters.metadata_service_base_url or context.settings.metadata_service_base_url,
        timeout_s=timeout_s or parameters.metadata_service_timeout,
        retries=parameters.metadata_service_retries,
        cache=context.settings.home / "cache" / "metadata" if parameters.metadata_service_cache else None,
        log=context.log,
    )


def _excerpt(content: bytes) -> str:
    text = " ".join(content[:2000].decode("utf-8", "replace").split())
    return text if len(text) <= 120 else f"{text[:117]}..."


def _told(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
