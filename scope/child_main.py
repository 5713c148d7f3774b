"""Where a process of a scope begins."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from opticstream.imaging.kernel_cache import use_kernel_cache
from opticstream.scope.commands.scope import LogExceptionCommand
from opticstream.scope.interrupts import stay_deaf
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.quick_exit import quick_exit
from opticstream.scope.shared import Shared

LAST_WORDS_S = 10.0
"""How long a process may take to close its files when the scope's own was killed."""


def child_main(manager: ManagerProcessBase, pipe: Connection, shared: Shared, kept: dict[str, Any]) -> None:
    """Run a manager in this process; its exception is told to the scope with its traceback, and is the exit code."""
    stay_deaf()
    signal.signal(signal.SIGTERM, _leave)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(processName)s: %(message)s")
    logging.getLogger("opticstream.scope").setLevel(shared.log_level)
    use_kernel_cache(Path(shared.about["kernel_cache"]))
    threading.Thread(target=_outlive_nobody, args=(manager.name, shared), name="the scope's end", daemon=True).start()
    code = _run(manager, pipe, shared, kept)
    _leave_nothing_behind(shared)
    quick_exit(code)


def _run(manager: ManagerProcessBase, pipe: Connection, shared: Shared, kept: dict[str, Any]) -> int:
    manager.configure(shared, pipe, kept)
    try:
        manager.run()
    except Exception:
        details = traceback.format_exc()
        try:
            pipe.send(LogExceptionCommand(manager.name, details))
        except (OSError, ValueError):  # the scope, which prints it, is gone
            print(f"[{manager.name}] {details}", file=sys.stderr, flush=True)
        return 1
    except SystemExit:
        return 1
    return 0


def _outlive_nobody(name: str, shared: Shared) -> None:
    """End this process when the scope's own was killed and this one does not hear of it, in a call that hangs."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        time.sleep(LAST_WORDS_S)
        shared.quitting_events[name].set()
        _leave_nothing_behind(shared)
        os._exit(1)


def _leave_nothing_behind(shared: Shared) -> None:
    """Remove what the scope's own process would have, if it was killed and this one is the last."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.is_alive() or not all(event.is_set() for event in shared.quitting_events.values()):
        return
    from opticstream.scope.leftovers import remove_leftovers  # no other process needs what it imports

    remove_leftovers(Path(shared.about["run_folder"]), own=True)


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)
