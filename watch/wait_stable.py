"""Waiting until nothing in a folder changes any more."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from opticstream.watch.engine import FileMark, Fingerprint, StabilityEngine
from opticstream.watch.stop_signal import StopSignal


def wait_until_stable(
    folder: Path,
    stability_seconds: float,
    *,
    poll_interval_s: float = 1.0,
    timeout_s: float | None = None,
    stop: StopSignal | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Block until no file below ``folder`` has appeared, vanished or changed in mtime or size for a while.

    Args:
        folder: looked at with all its subfolders; while it cannot be read, the wait goes on.
        stability_seconds: how long everything must stay unchanged, seconds.
        poll_interval_s: seconds between looks.
        timeout_s: give up after this many seconds; None: never.
        stop: give up when set.
        clock: monotonic seconds.

    Returns:
        Whether the folder is stable; False when stopped or out of time.

    Raises:
        BadInput: ``stability_seconds`` is negative.
    """
    engine: StabilityEngine[str, Fingerprint] = StabilityEngine(stability_seconds)
    waiter = stop or threading.Event()
    began = clock()
    while not waiter.is_set():
        now = clock()
        try:
            marks = tree_fingerprint(folder)
        except OSError:
            marks = None
        if marks is not None and engine.observe({"": marks}, now, clock()).ready:
            return True
        if timeout_s is not None and now - began >= timeout_s:
            return False
        waiter.wait(poll_interval_s)
    return False


def tree_fingerprint(folder: Path) -> Fingerprint:
    """Return the marks of every file below a folder, sorted by path; one stat per file.

    Raises:
        OSError: the folder, or one below it, cannot be listed.
    """
    return tuple(sorted(_walk(str(folder), "")))


def _walk(folder: str, prefix: str) -> Iterator[FileMark]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # a temporary file, gone since it was listed
                continue
            yield f"{prefix}{entry.name}", found.st_mtime_ns, found.st_size
