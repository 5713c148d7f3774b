"""Permissions that hold, also where tests run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """Yield an open temporary folder, and be an ordinary user while the body runs."""
    if os.name == "nt":
        pytest.skip("permissions are of another kind")
    folder = Path(tempfile.mkdtemp(prefix="opticstream-test-"))
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, _NOBODY, _NOBODY)
            os.seteuid(_NOBODY)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for path in folder.rglob("*"):
            path.chmod(0o700) if path.is_dir() else None
        shutil.rmtree(folder)
