"""How far a long step is: told to whoever listens in this process, and shown in the Prefect UI as a live table."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

log = logging.getLogger(__name__)

ProgressListener = Callable[[str, int, int], None]
"""Takes (what is done, bytes done, bytes in all)."""

_listener: ContextVar[ProgressListener | None] = ContextVar("opticstream_progress", default=None)
_EVERY_S = 5.0


@contextmanager
def progress_to(listener: ProgressListener) -> Iterator[None]:
    """Tell a listener about every step that runs in this thread while the body does."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def somebody_listens() -> bool:
    """Say whether the steps of this thread are shown by a watch or a command in this process."""
    return _listener.get() is not None


class StepProgress:
    """The progress of one step; call it with (bytes done, bytes in all).

    Args:
        key: of the artifact; the same unit's steps share it.
        title: the artifact's description.
        step: what is done, for people.
    """

    def __init__(self, key: str, title: str, step: str) -> None:
        self._key, self._title, self._step = key, title, step
        self._began = self._shown = time.monotonic()
        self._artifact: UUID | None = None
        self._broken = False

    def __call__(self, done: int, total: int) -> None:
        """Tell the listener, and the Prefect UI now and then."""
        listener = _listener.get()
        if listener is not None:
            listener(self._step, done, total)
        now = time.monotonic()
        if now - self._shown >= _EVERY_S and not self._broken:
            self._shown = now
            self._show(done, total, now - self._began)

    def _show(self, done: int, total: int, seconds: float) -> None:
        """Show the numbers; a table that cannot be shown is given up, the work is not."""
        row = progress_row(self._step, done, total, seconds)
        try:
            if self._artifact is None:
                self._artifact = create_table_artifact(key=self._key, table=[row], description=self._title)  # type: ignore[assignment]
            else:
                with get_client(sync_client=True) as client:
                    client.update_artifact(self._artifact, ArtifactUpdate(data=json.dumps([row])))
        except Exception as error:
            self._broken = True
            log.warning("%s: progress is not shown in the Prefect UI: %s", self._title, error)


def progress_row(step: str, done: int, total: int, seconds: float) -> dict[str, str]:
    """Return the numbers of a step as they are shown: share, rate, time left."""
    rate = done / seconds / 1e6 if seconds > 0 else 0.0
    left = f"{(total - done) / 1e6 / rate:.0f} s" if rate else "?"
    return {
        "step": step,
        "progress": f"{100 * done / total:.0f} %" if total else "?",
        "done": f"{done / 1e6:.0f} of {total / 1e6:.0f} MB",
        "rate": f"{rate:.0f} MB/s",
        "left": left,
    }
