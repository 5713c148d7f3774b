"""Kernels are compiled once a machine, and optics tabulated once a run."""

import os
import warnings
from importlib.util import find_spec
from multiprocessing import resource_tracker
from types import ModuleType

import pytest

from opticstream.imaging.kernel_cache import use_kernel_cache
from opticstream.scope.bead_image import BeadImage
from opticstream.scope.tracking.compile_once import compile_once


@pytest.fixture(autouse=True, scope="session")
def kernel_cache(pytestconfig: pytest.Config) -> None:
    folder = pytestconfig.cache.mkdir("kernels")
    use_kernel_cache(folder)
    compile_once(folder)


@pytest.fixture(autouse=True, scope="session")
def memory_tracker() -> None:
    """Start the one process that Python keeps beside all that share memory, before a test could seem to leave it."""
    if os.name != "nt":
        resource_tracker.ensure_running()


@pytest.fixture(scope="session")
def bead() -> BeadImage:
    return BeadImage(nm_per_px=100.0)


@pytest.fixture(scope="session")
def magtrack() -> ModuleType:
    """Return the tracker that ours is held against; where all tests must run it has to be there."""
    if find_spec("magtrack") is None and not os.environ.get("CI"):
        pytest.skip("magtrack is not installed (it comes with the test requirements)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no GPU here
        import magtrack

        return magtrack
