"""How much memory buffers may take."""

import shutil
from pathlib import Path

import psutil

_SHARED = Path("/dev/shm")
"""Where Linux keeps shared memory; in a container it is often much smaller than the memory."""


def free_memory() -> int:
    """Return the bytes that processes can share now: free memory, and no more than its file system has room for."""
    free = int(psutil.virtual_memory().available)
    return min(free, shutil.disk_usage(_SHARED).free) if _SHARED.is_dir() else free
