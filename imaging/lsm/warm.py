"""Compile before the first strip comes."""

import time
from pathlib import Path

from opticstream.imaging.kernel_cache import numba_usable, use_kernel_cache


def warm_strip_kernels(folder: Path) -> float:
    """Compile the kernels of conversions, or load them from the cache in ``folder``; return the seconds it took."""
    use_kernel_cache(folder)
    began = time.monotonic()
    if numba_usable():
        # They compile what they declare.
        import opticstream.imaging.omezarr.bit_planes
        import opticstream.imaging.omezarr.kernels  # noqa: F401

    return time.monotonic() - began
