"""The tracker's kernel is compiled before a scope needs it."""

import hashlib
import logging
import subprocess
import sys
from pathlib import Path

from opticstream.imaging.kernel_cache import numba_wanted

logger = logging.getLogger("opticstream.scope")

_SOURCE = Path(__file__).absolute().with_name("kernel.py")
_LONGEST_S = 300.0
_COMPILE = "import pathlib, sys; from opticstream.scope.tracking import warm_tracker as w; w(pathlib.Path(sys.argv[1]))"


def kernel_compiled(folder: Path) -> bool:
    """Return whether ``folder`` has the kernel, of this version, as far as can be seen without loading it."""
    kept = kernel_folder(folder).glob(f"kernel.track_rois-*.py{sys.version_info.major}{sys.version_info.minor}.nbi")
    return any(index.stat().st_mtime >= _SOURCE.stat().st_mtime for index in kept)


def must_compile(folder: Path) -> bool:
    """Return whether the kernel can be compiled here, and has not been."""
    return numba_wanted() and not kernel_compiled(folder)


def kernel_folder(folder: Path) -> Path:
    """Return where numba keeps the kernel of this installation below ``folder`` (``get_suitable_cache_subpath``)."""
    place = str(_SOURCE.parent)
    return folder / f"{_SOURCE.parent.name}_{hashlib.sha1(place.encode(), usedforsecurity=False).hexdigest()}"


def compile_once(folder: Path) -> bool:
    """Compile the kernel where this computer has none yet, which takes 10 to 30 s; return whether it had to be.

    In a process of its own, since whoever starts a scope should not load numba. Workers compile it too where it is
    missing, beside their work; those of a scope that runs for a few seconds never come to the end of it.

    Args:
        folder: where compiled kernels are kept.
    """
    if not must_compile(folder):
        return False
    logger.info("the tracker is compiled for this computer, once")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _COMPILE, str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("the tracker was not compiled (%s); beads are tracked with NumPy until it is", error)
        return False
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        logger.warning("the tracker was not compiled (%s); beads are tracked with NumPy until it is", why)
    return not done.returncode
