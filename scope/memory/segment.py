"""One piece of memory that the processes of a scope share by name."""

import hashlib
import mmap
import os
import re
import sys
from contextlib import suppress
from multiprocessing import resource_tracker

from opticstream.scope.memory.errors import NotEnoughMemory, SegmentExists, SegmentMissing

_LONGEST = 30
"""macOS allows 31 characters, and the system's name begins with a slash."""

if sys.platform != "win32":
    import _posixshmem  # type: ignore[import-not-found] # what SharedMemory itself uses


def segment_name(scope_uid: str, buffer: str) -> str:
    """Return the name of a scope's buffer: the same for the same two, different for any others, short enough.

    Args:
        scope_uid: what tells this scope from all others on the host.
        buffer: name of the buffer within the scope.
    """
    plain = f"os-{scope_uid}-{buffer}"
    if len(plain) <= _LONGEST and re.fullmatch(r"os-[A-Za-z0-9]+-[A-Za-z0-9_]+", plain):
        return plain
    digest = hashlib.sha256(f"{scope_uid}\0{buffer}".encode()).hexdigest()
    return f"os-{digest[: _LONGEST - 3]}"


class Segment:
    """A mapping of shared memory; created, it is all zeros, and its name stays until :func:`unlink_segment`.

    Python's own ``SharedMemory`` refuses to close while an array looks at it, and before 3.13 removes the segment when
    any process that attached ends. Here arrays keep the mapping alive for as long as they live, and only the name's
    creator is on the list that is cleaned up should all processes of the scope be killed.

    Args:
        name: of the segment.
        size: bytes to create; absent: attach to what is there.

    Raises:
        SegmentExists: the name is taken.
        SegmentMissing: no such segment.
        NotEnoughMemory: larger than what is free now.
    """

    def __init__(self, name: str, size: int | None = None) -> None:
        self.name = name
        if size is not None:
            _check_free(name, size)
        try:
            self.map = _open(name, size)
        except FileExistsError:
            raise SegmentExists(
                f"shared memory {name}", found="a segment of this name", expected="none",
                action="Each scope needs a name of its own.",
            ) from None  # fmt: skip
        except FileNotFoundError:
            raise SegmentMissing(
                f"shared memory {name}", found="no such segment", expected="one that its creator has not removed yet"
            ) from None
        except OSError as error:
            if size is None:
                raise
            raise _not_enough(name, size, error.strerror or str(error)) from error


def _check_free(name: str, size: int) -> None:
    from opticstream.scope.memory.free_memory import free_memory  # children only attach

    free = free_memory()
    if size > free:
        raise _not_enough(name, size, f"{free / 2**20:.0f} MiB free")


def _not_enough(name: str, size: int, found: str) -> NotEnoughMemory:
    return NotEnoughMemory(
        f"shared memory {name}", found=found, expected=f"{size / 2**20:.0f} MiB",
        action="Ask for fewer or smaller stacks.",
    )  # fmt: skip


if sys.platform == "win32":
    from multiprocessing.shared_memory import SharedMemory

    def _open(name: str, size: int | None) -> mmap.mmap:
        # The mapping lives as long as any process has it open, so a second handle is taken before the first is closed.
        probe = SharedMemory(name, create=size is not None, size=size or 0)
        try:
            return mmap.mmap(-1, probe.size, tagname=name)
        finally:
            probe.close()

    def unlink_segment(name: str, *, listed: bool = True) -> None:
        """Nothing to do on Windows: the segment is gone with its last handle."""

else:

    def _open(name: str, size: int | None) -> mmap.mmap:
        flags = os.O_RDWR if size is None else os.O_RDWR | os.O_CREAT | os.O_EXCL
        handle = _posixshmem.shm_open(f"/{name}", flags, mode=0o600)
        try:
            if size is None:
                return mmap.mmap(handle, os.fstat(handle).st_size)
            resource_tracker.register(f"/{name}", "shared_memory")
            try:
                os.ftruncate(handle, size)
                if hasattr(os, "posix_fallocate"):
                    # Otherwise a full /dev/shm would kill, with a bus error, whoever first writes to a page.
                    os.posix_fallocate(handle, 0, size)
                return mmap.mmap(handle, size)
            except OSError:
                unlink_segment(name)
                raise
        finally:
            os.close(handle)

    def unlink_segment(name: str, *, listed: bool = True) -> None:
        """Remove the name, if it is there; memory that a process has mapped stays until that process lets go.

        Any process of the scope may call it, also for a creator that was killed. Who belongs to no process of that
        scope says that the segment is not ``listed`` among those that Python is to clean up after him.
        """
        with suppress(FileNotFoundError):
            _posixshmem.shm_unlink(f"/{name}")
            if listed:
                resource_tracker.unregister(f"/{name}", "shared_memory")
