"""Looks at a running acquisition with the eyes of the watchdogs."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from opticstream.rig.engine.output_sink import OutputSink
from opticstream.rig.engine.watchdogs import Facts, Verdict, Watchdogs

_MEMORY_EVERY_S = 2.0  # looking at all processes is dearer than the rest


class Watch:
    """Begins with the acquisition.

    Args:
        watchdogs: the limits.
        sinks: its output and error output.
        memory: returns the resident bytes of all its processes; None: not known.
    """

    def __init__(
        self, watchdogs: Watchdogs, sinks: Sequence[OutputSink], memory: Callable[[], int] | None = None
    ) -> None:
        self._watchdogs, self._sinks, self._memory = watchdogs, sinks, memory
        self._began = time.monotonic()
        self._memory_at = 0.0

    @property
    def interval_s(self) -> float | None:
        """Seconds between looks; None: there is nothing to look at."""
        return self._watchdogs.interval_s if self._watchdogs.active else None

    @property
    def seconds(self) -> float:
        """How long the acquisition runs."""
        return time.monotonic() - self._began

    def look(self) -> Verdict | None:
        """Return the limit that is passed, if any."""
        now = time.monotonic()
        last = max((sink.last_at for sink in self._sinks if sink.last_at), default=None)
        complaint = self._sinks[1].first_at
        memory = free = None
        if self._watchdogs.memory_bytes and self._memory and now - self._memory_at >= _MEMORY_EVERY_S:
            self._memory_at = now
            memory = self._memory()
        if self._watchdogs.free_bytes and self._watchdogs.disk_folder:
            with suppress(OSError):  # a share that blinks is not a full disk
                free = shutil.disk_usage(self._watchdogs.disk_folder).free
        return self._watchdogs.check(
            Facts(
                running_s=self.seconds,
                silent_s=None if last is None else now - last,
                complaint_s=None if complaint is None else now - complaint,
                memory_bytes=memory,
                free_bytes=free,
            )
        )

    def too_short(self) -> str | None:
        """Say that it ran less than it should have, if so."""
        least, ran = self._watchdogs.min_run_s, self.seconds
        return f"it ended after {ran:.1f} s; it should run {least:g} s at least" if ran < least else None
