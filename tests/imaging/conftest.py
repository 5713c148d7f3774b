"""Kernels are compiled once a machine, not once a test."""

import pytest

from opticstream.imaging.psoct import use_kernel_cache


@pytest.fixture(autouse=True, scope="session")
def kernel_cache(pytestconfig: pytest.Config) -> None:
    use_kernel_cache(pytestconfig.cache.mkdir("kernels"))
