"""The kernel is compiled once a computer, before the first scope needs it."""

import os
import sys
from pathlib import Path

import pytest

from opticstream.scope.tracking import kernel
from opticstream.scope.tracking.compile_once import compile_once, kernel_compiled, kernel_folder
from support.running_scope import kernels


def test_what_is_there_is_not_compiled_again() -> None:
    assert kernel_compiled(kernels()) and not compile_once(kernels())


def test_a_kernel_of_an_older_source_does_not_count(tmp_path: Path) -> None:
    assert not kernel_compiled(tmp_path / "missing")
    kernel_folder(tmp_path).mkdir()
    index = kernel_folder(tmp_path) / f"kernel.track_rois-1.py{sys.version_info.major}{sys.version_info.minor}.nbi"
    index.touch()
    written = Path(kernel.__file__).stat().st_mtime
    os.utime(index, (written + 1, written + 1))
    assert kernel_compiled(tmp_path)
    os.utime(index, (written - 1, written - 1))
    assert not kernel_compiled(tmp_path)


def test_where_it_cannot_be_compiled_a_warning_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert not compile_once(blocked)
    assert "the tracker was not compiled (FileExistsError" in caplog.text and "NumPy" in caplog.text
