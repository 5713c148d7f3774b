"""A scope that runs in this process's thread, with its processes beside it."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from opticstream.scope import MagScope, MagScopeSettings
from opticstream.scope.acquisition import Acquisition
from support.waiting import PATIENCE_S, until

ONE_WORKER = {"video processors n": 1}
"""Settings of a scope of which nothing is to be shown that takes two tracking processes: each costs a second of CPU."""
QUICK = {
    "video buffer n images": 10,
    "video buffer n stacks": 60,  # of a process that stands still for seconds no frame is to be lost
    "video processors n": 2,
    "tracks max datapoints": 50_000,
}


def kernels() -> Path:
    """Return where compiled kernels are kept for all tests."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(tempfile.gettempdir()) / "opticstream-kernels")


def make_scope(save: Path | None = None, name: str = "test", settings: dict[str, Any] | None = None) -> MagScope:
    """Return a scope with small buffers that has not started; its end cuts off nobody who is only slow."""
    scope = MagScope(name=name, settings=MagScopeSettings(QUICK | (settings or {})))
    scope.grace_s = PATIENCE_S
    scope.kernel_cache = kernels()
    scope.first_beads = "auto"
    if save is not None:
        scope.begin_with(Acquisition(True, str(save), True))
    return scope


@contextmanager
def running(scope: MagScope) -> Iterator[MagScope]:
    """Run a scope until the block ends; whatever it raises comes out here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            scope.start()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="scope under test", daemon=True)
    thread.start()
    try:
        until(lambda: scope.up.is_set() or scope.over.is_set(), "the scope is up")
        yield scope
    finally:
        if not scope.over.is_set():
            scope.request_stop("the test is over")
        thread.join(2 * PATIENCE_S)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def family(pid: int) -> list[psutil.Process]:
    """Return a process's children, and theirs."""
    return psutil.Process(pid).children(recursive=True)
