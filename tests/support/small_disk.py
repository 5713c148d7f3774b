"""Disks that are full soon: tmpfs in a mount namespace of its own, which goes when its process does."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.nursery import Nursery

_MOUNT = """
while [ "$1" != -- ]; do mount -t tmpfs -o size="$2" none "$1" || exit 77; shift 2; done
shift
exec "$@"
"""


@contextmanager
def small_disks(environment: dict[str, str], disks: Mapping[Path, int], *, plain: bool = False) -> Iterator[Nursery]:
    """Yield what starts commands that find a disk of so many bytes in each folder; skip where nobody may mount.

    Args:
        environment: of the nursery.
        disks: size in bytes by folder; those are created. This process sees them below ``seen_from(nursery)``.
        plain: of the nursery.
    """
    if shutil.which("unshare") is None or not hasattr(os, "fork"):
        pytest.skip("no unshare(1) here")
    mounts = []
    for folder, size in disks.items():
        folder.mkdir(parents=True, exist_ok=True)
        mounts += [str(folder), str(size)]
    # With CAP_SYS_ADMIN no user namespace is needed, and a container may allow the one and not the other.
    for namespaces in ("-rm", "-m"):
        with Nursery(
            environment, ["unshare", namespaces, "sh", "-c", _MOUNT, "sh", *mounts, "--"], plain=plain
        ) as nursery:
            try:
                nursery.ask({"hello": True})
            except ChildProcessError:
                continue
            yield nursery
            return
    pytest.skip("this user may mount no tmpfs")


def run_on_small_disks(disks: Mapping[Path, int], command: list[str], **options: Any) -> str:
    """Run a command that finds a disk of so many bytes in each folder; return what it said, on standard error too.

    It must succeed; skip where nobody may mount. ``options`` are those of ``subprocess.run``.
    """
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1) here")
    mounts = [word for folder, size in disks.items() for word in (str(folder), str(size))]
    for folder in disks:
        folder.mkdir(parents=True, exist_ok=True)
    for namespaces in ("-rm", "-m"):
        line = ["unshare", namespaces, "sh", "-c", _MOUNT, "sh", *mounts, "--", *command]
        done = subprocess.run(line, capture_output=True, text=True, check=False, **options)
        if done.returncode != 77 and "unshare:" not in done.stderr:
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            return done.stdout + done.stderr
    pytest.skip("this user may mount no tmpfs")


def seen_from(nursery: Nursery) -> Path:
    """Return the root of a nursery's mount namespace, as this process sees it."""
    return Path(f"/proc/{nursery.pid}/root")


def leave_room(folder: Path, nbytes: int) -> Path:
    """Fill a disk up to so many free bytes; return the file that does it."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - nbytes)
    return ballast
