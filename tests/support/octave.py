"""GNU Octave as the tests find it."""

import os
import shutil

import pytest


def octave_or_skip() -> str:
    """Return the program; without it a test is skipped, but not where all must run."""
    found = shutil.which("octave-cli")
    if found is None and not os.environ.get("CI"):
        pytest.skip("GNU Octave is not installed (`make system`)")
    assert found is not None, "GNU Octave is not installed: `make system`"
    return found
