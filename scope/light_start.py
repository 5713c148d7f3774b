"""Starting a process without the program that starts it."""

import multiprocessing
import pickle
import sys
import threading
import types
from multiprocessing.context import SpawnProcess
from typing import Any

from opticstream.scope.interrupts import deaf_children

_swapping = threading.Lock()


def start_light(process: SpawnProcess, pickled: Any = None) -> None:
    """Start a spawned process that does not import the program's main module, unless it needs something from there.

    A spawned process imports the main module anew, whatever it is: a command line, a notebook, a flow with Prefect.
    That costs each of a scope's processes up to two seconds, and nearly none of them uses anything of it. The process
    does not hear Ctrl+C; it calls :func:`stay_deaf` first.

    Args:
        process: not started yet.
        pickled: what of its arguments may come from the main module.
    """
    if _needs_main(pickled):
        with deaf_children():
            process.start()
        return
    with _swapping, deaf_children():
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main


def _needs_main(pickled: Any) -> bool:
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        return True  # let multiprocessing say what is wrong
    try:
        content = pickle.dumps(pickled)
    except Exception:
        return True
    return b"__main__" in content or b"__mp_main__" in content
