"""Where compiled kernels are kept, and whether there can be any."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def use_kernel_cache(folder: Path) -> None:
    """Keep compiled kernels in ``folder``, so that each machine compiles once; call it before the first tile."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(folder)


def numba_wanted() -> bool:
    """Say whether numba is installed and not switched off (``NUMBA_DISABLE_JIT=1``), without loading it."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0") and find_spec("numba") is not None


def numba_usable() -> bool:
    """Say whether kernels can be compiled here; ``NUMBA_DISABLE_JIT=1`` and a missing numba say no."""
    if not numba_wanted():
        return False
    try:
        import numba  # noqa: F401 (only whether it is there)
    except ImportError:
        return False
    return True
