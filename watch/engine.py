"""When is something that is still being written finished: a state machine over fingerprints and a clock."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from opticstream.core.errors import BadInput

FileMark = tuple[str, int, int]
"""One file as a pass saw it: (path relative to the watched folder, mtime in ns, size in bytes)."""

Fingerprint = tuple[FileMark, ...]
"""The files of one candidate, in a fixed order; sources of many files per candidate use a digest instead."""

K = TypeVar("K", bound=Hashable)
F = TypeVar("F")
"""A fingerprint: whatever is equal as long as no file has changed."""


@dataclass(frozen=True, slots=True)
class Observation(Generic[K]):
    """What one pass found out."""

    ready: tuple[K, ...] = ()
    """Keys that turned stable in this pass; each is offered once per fingerprint."""
    changed: tuple[K, ...] = ()
    """Keys offered before whose files have changed since; they wait for stability again."""
    gone: tuple[K, ...] = ()
    """Keys that are no longer there."""
    waiting: tuple[K, ...] = ()
    """Keys whose fingerprint has not been unchanged for long enough."""


class StabilityEngine(Generic[K, F]):
    """Offers each candidate once, when its fingerprint has stayed unchanged for ``stability_seconds``.

    Two passes at least must see the same fingerprint, so with 0 s a candidate is ready in its second pass. What was
    offered is remembered with its fingerprint, also while it is out of sight: a share that shows an empty folder
    for a moment makes nothing new.

    Holds no clock: callers pass monotonic seconds, so that setting the computer's clock changes nothing.

    Args:
        stability_seconds: how long a fingerprint must stay unchanged, seconds, 0 or more.

    Raises:
        BadInput: ``stability_seconds`` is negative.
    """

    def __init__(self, stability_seconds: float) -> None:
        if not stability_seconds >= 0:
            raise BadInput("--stability-seconds", found=str(stability_seconds), expected="0 or more seconds")
        self._stability = stability_seconds
        self._present: dict[K, F] = {}
        self._since: dict[K, float] = {}
        self._offered: dict[K, F] = {}
        self._forgotten: set[K] = set()

    def observe(self, candidates: Mapping[K, F], now: float, until: float | None = None) -> Observation[K]:
        """Take everything that is there now; see `advance` for the arguments and the answer."""
        changed = {key: mark for key, mark in candidates.items() if self._present.get(key) != mark}
        return self.advance(changed, self._present.keys() - candidates.keys(), now, until)

    def advance(
        self, changed: Mapping[K, F], gone: Collection[K], now: float, until: float | None = None
    ) -> Observation[K]:
        """Take what is different since the last pass; all else counts as seen unchanged.

        Args:
            changed: new candidates and those whose fingerprint differs.
            gone: candidates that are no longer there.
            now: monotonic seconds when the pass began to look; nothing was looked at earlier.
            until: monotonic seconds when it had looked at everything; None: at once. A new fingerprint counts from
                here, so that a slow pass never shortens the wait.
        """
        stamp = now if until is None else until
        fresh = self._forgotten & self._present.keys()
        self._forgotten.clear()
        for key in gone:
            self._present.pop(key, None)
            self._since.pop(key, None)
        reopened = []
        for key, mark in changed.items():
            if self._present.get(key) == mark:
                continue
            self._present[key] = mark
            if self._offered.get(key) == mark:  # back as it was
                self._since.pop(key, None)
                continue
            fresh.add(key)
            if key in self._offered:
                reopened.append(key)
        for key in fresh & self._present.keys():
            self._since[key] = stamp
        ready = tuple(key for key, since in self._since.items() if now - since >= self._stability and key not in fresh)
        for key in ready:
            del self._since[key]
            self._offered[key] = self._present[key]
        return Observation(ready, tuple(reopened), tuple(gone), tuple(self._since))

    def fingerprint(self, key: K) -> F:
        """Return the fingerprint of a candidate that is there.

        Raises:
            KeyError: it is not there.
        """
        return self._present[key]

    def forget(self, key: K) -> None:
        """Offer a candidate again, after it has been stable anew from the next pass on."""
        if self._offered.pop(key, None) is not None:
            self._forgotten.add(key)
