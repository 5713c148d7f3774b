"""Turns "list everything that is there" into "what is different"."""

import logging
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from opticstream.watch.delta import Delta
from opticstream.watch.engine import Fingerprint

C = TypeVar("C")
K = TypeVar("K", bound=Hashable)

_log = logging.getLogger("opticstream.watch")


class SnapshotSource(Generic[C, K]):
    """A source for `PollingStableWatcher` made of three plain functions.

    Args:
        discover: lists every candidate that is there.
        key: what a candidate is tracked by.
        fingerprint: the candidate's files; an OSError leaves the candidate out of this pass, as it was before.
    """

    def __init__(
        self,
        discover: Callable[[], Iterable[C]],
        key: Callable[[C], K],
        fingerprint: Callable[[C], Fingerprint],
    ) -> None:
        self._discover = discover
        self._key = key
        self._fingerprint = fingerprint
        self._last: dict[K, Fingerprint] = {}
        self._warned: set[K] = set()

    def poll(self) -> Delta[K, Fingerprint]:
        """Look once.

        Raises:
            OSError: discovery failed; everything known is kept.
        """
        there: dict[K, Fingerprint] = {}
        unread: set[K] = set()
        for candidate in self._discover():
            key = self._key(candidate)
            try:
                there[key] = self._fingerprint(candidate)
            except OSError as error:
                unread.add(key)
                if key not in self._warned:
                    _log.warning("%s is left out for now: %s", key, error)
        self._warned = unread
        changed = {key: mark for key, mark in there.items() if self._last.get(key) != mark}
        gone = self._last.keys() - there.keys() - unread
        self._last = {key: mark for key, mark in self._last.items() if key in unread} | there
        return Delta(changed, gone)
