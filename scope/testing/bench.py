"""A scope to check a part of it in."""

import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from opticstream.core.settings import load_settings
from opticstream.scope.acquisition import Acquisition
from opticstream.scope.cameras import CameraBase, DummyCameraNoise
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.scope import MagScope
from opticstream.scope.settings import MagScopeSettings
from opticstream.scope.testing.not_conformant import NotConformant

T = TypeVar("T")

_LOOK_S = 0.02
_TOLD = 3
_ROI = 50
"""Edge of a region, px, where the camera's frames are large enough."""
_SETTINGS = {"video buffer n images": 10, "video buffer n stacks": 4, "video processors n": 1}


class Bench:
    """Runs a scope in a thread beside, with its real processes, and looks on; a context manager.

    Nothing waits for ever: what does not come within ``patience_s`` is a failed check. Its end takes as long as the
    setting ``scope_grace_s`` says.

    Args:
        what: the thing that is checked, for messages.
        folder: where the scope saves; absent: a temporary one, removed at the end.
        patience_s: how long anything is waited for.
        camera: the scope's; absent: one that shows noise.
    """

    def __init__(
        self, what: str, folder: Path | None = None, patience_s: float = 60.0, camera: CameraBase | None = None
    ) -> None:
        self.what, self.patience_s = what, patience_s
        if camera is None:
            camera = DummyCameraNoise()
            camera["framerate"] = 20
        roi = min(_ROI, min(camera.width, camera.height) // 2 * 2)
        self._temporary = None if folder is not None else tempfile.TemporaryDirectory(prefix="opticstream-bench-")
        self.folder = folder if folder is not None else Path(self._temporary.name)  # type: ignore[union-attr]
        self.scope = MagScope(name=f"bench-{what}", settings=MagScopeSettings(_SETTINGS | {"ROI": roi}))
        self.scope.kernel_cache = Path(os.environ.get("NUMBA_CACHE_DIR") or self.folder / "kernels")
        self.scope.camera_manager.camera = camera
        self.scope.grace_s = load_settings().scope_grace_s
        self.scope.begin_with(Acquisition(True, str(self.folder), True))
        self._raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name=self.scope.name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            ready = "a scope in which every process has been set up"
            self.until(lambda: self.scope.up.is_set() or len(self.scope.problems), ready)
            self.no_problem(ready)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the scope; does nothing when it has ended."""
        if self._thread.is_alive():
            self.scope.request_stop("the check is over")
            self._thread.join(self.patience_s)
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def stop(self) -> None:
        """End the scope as a user does, and keep what it saved until `close`."""
        if not self.scope.over.is_set():
            self.scope.request_stop("the check is over")
            self.until(lambda: not self._thread.is_alive(), "a scope that ends", running=False)

    def until(self, holds: Callable[[], T], what: str, *, running: bool = True) -> T:
        """Wait until something holds, and return it.

        Raises:
            NotConformant: it does not, or the scope ended, or it said that something is wrong.
        """
        end = time.monotonic() + self.patience_s
        while not (found := holds()):
            if running and self.scope.over.is_set():
                outcome = self.scope.outcome
                raise self.wrong(f"the scope ended: {outcome.reason if outcome else self._raised}", what)
            if time.monotonic() > end:
                raise self.wrong(f"not within {self.patience_s:g} s", what)
            time.sleep(_LOOK_S)
        return found

    def no_problem(self, what: str) -> None:
        """Raise NotConformant if the scope has told of a problem."""
        if self.scope.problems:
            raise self.wrong("a warning or an error", what)

    def wrong(self, found: str, expected: str) -> NotConformant:
        """Return the error, with the first things that the scope told of."""
        said = [f"{text}: {details}".strip(": \n") for _, text, details in self.scope.problems]
        return NotConformant(
            self.what, found=found + (f" ({'; '.join(said[:_TOLD])})" if said else ""), expected=expected
        )

    def restart(self, manager: ManagerProcessBase) -> None:
        """Kill a manager's process, as the system does, and wait until the scope has started another."""
        process, before = manager._process, manager.pid
        if process is None:
            raise self.wrong("no process", "one that runs")
        process.kill()
        self.until(lambda: manager.pid not in (None, before) and manager.is_alive(), "a process that starts again")
        told = f"{manager.name} ended"  # the scope says so after the start
        self.until(lambda: any(text.startswith(told) for _, text, _ in list(self.scope.problems)), "its being told")
        self.scope.problems.clear()

    def ended_well(self, manager: ManagerProcessBase) -> None:
        """Check that a manager's process closed what it had and ended by itself.

        Raises:
            NotConformant: it raised, hung or was killed.
        """
        self.stop()
        if manager.exitcode != 0:
            found = f"exit code {manager.exitcode} (1: an exception, in its log; below 0: it hung and was killed)"
            raise self.wrong(found, "a process that lets its device go and ends at once")

    def _run(self) -> None:
        try:
            self.scope.start()
        except BaseException as error:  # told by `until`
            self._raised.append(error)
            self.scope.over.set()


def check_picklable(thing: Any, what: str) -> None:
    """Check that something can be sent to a process of its own.

    Raises:
        NotConformant: it cannot.
    """
    try:
        pickle.loads(pickle.dumps(thing))
    except Exception as error:  # pickle raises what the object's own methods raise
        raise NotConformant(
            what, found=f"{type(error).__name__}: {error}", expected="an object that can be pickled",
            action="Open devices in connect, not in __init__, and define the class at the top level of a module.",
        ) from error  # fmt: skip
