"""Processes that a process left when it was killed."""

import time
from collections.abc import Iterable, Mapping

from opticstream.scope.processing.saving_patience import SavingPatience


def births(pids: Iterable[int]) -> dict[int, str]:
    """Return what tells each of these processes from later ones with the same id; those that have ended are left out."""
    from opticstream.core.process_identity import process_birth  # psutil, which few processes need

    return {pid: born for pid in pids if (born := process_birth(pid)) is not None}


def end_strays(processes: Mapping[int, str], patience_s: float, saving: Iterable[int] = ()) -> list[int]:
    """Kill those of these processes that do not end by themselves.

    Args:
        processes: `births` by process id.
        patience_s: how long they may take; nobody waits when none of them runs.
        saving: those that are waited for longer while they are at work.

    Returns:
        Ids of those that had to be killed.
    """
    if not processes:
        return []
    patience = SavingPatience(patience_s, lambda: saving)
    while (left := _alive(processes)) and (wait_s := patience.left()):
        time.sleep(min(0.01, wait_s))
    import psutil

    for pid in left:
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            continue
    return left


def _alive(processes: Mapping[int, str]) -> list[int]:
    return [pid for pid, born in births(processes).items() if born == processes[pid]]
