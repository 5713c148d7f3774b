"""Removing what a scope left behind whose own process was killed."""

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from opticstream.core.process_identity import ProcessIdentity, default_host_name, is_alive
from opticstream.scope.memory.segment import unlink_segment
from opticstream.scope.remote.record import remove_dead_record
from opticstream.scope.run_folder import OWNER, PREFIX, SEGMENTS

_SHARED_MEMORY = Path("/dev/shm")


def remove_leftovers(folder: Path, *, own: bool = False) -> bool:
    """Remove what a scope left whose process is dead; return whether it was.

    A folder of a running scope, of another computer or without an owner's name stays as it is.

    Args:
        folder: of a :class:`~opticstream.scope.run_folder.RunFolder`.
        own: the caller is a process of that scope, and Python's list of shared memory to be cleaned up is the same.
    """
    try:
        about = json.loads((folder / OWNER).read_text("utf-8"))
        owner = ProcessIdentity(**about["owner"])
        uid, record = str(about["uid"]), about["record"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if is_alive(owner, default_host_name()) is not False:
        return False
    segments: set[str] = set()
    with suppress(OSError):  # a scope that was killed before it had any, or another process removes it, too
        segments.update(folder.joinpath(SEGMENTS).read_text("utf-8").split())
    # Those of a Z-LUT sweep are another process's and not on the list.
    segments.update(path.name for path in _SHARED_MEMORY.glob(f"os-{uid}-*"))
    for name in segments:
        unlink_segment(name, listed=own)
    if record is not None:
        remove_dead_record(Path(record))
    with suppress(OSError):  # on Windows a lock may still be held: its folder is the next scope's to remove
        for path in folder.iterdir():
            if path.name != OWNER:
                path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return True


def remove_all_leftovers() -> list[Path]:
    """Remove what this user's dead scopes left on this computer; return their folders."""
    return [one for one in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if remove_leftovers(one)]
