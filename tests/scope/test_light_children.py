"""What the processes of a scope do not import: each would pay for it at each start."""

import os
import subprocess
import sys

import numpy as np
import pytest

from opticstream.scope.tracking import Tracker
from support.running_scope import kernels

MANAGER = """
import sys
import opticstream.scope.child_main, opticstream.scope.managers.bead_lock
from opticstream.scope.settings import MagScopeSettings
MagScopeSettings()
print(*sorted({name.partition(".")[0] for name in sys.modules}), *(n for n in sys.modules if n == "importlib.metadata"))
"""
WORKER = """
import sys
from pathlib import Path
import numpy as np
from opticstream.scope.processing.worker import _load_lean
from opticstream.scope.tracking import Tracker, warm_tracker
_load_lean()
warm_tracker(Path(sys.argv[1]))
tracks = Tracker(backend="numba").track(np.load(sys.argv[2]))
print(*(name for name in ("scipy.linalg", "cffi") if sys.modules.get(name)), *tracks.x)
"""


def _printed(script: str, *arguments: object) -> list[str]:
    line = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(line, env=os.environ, capture_output=True, text=True, check=True).stdout.split()


def test_a_manager_imports_nothing_heavy():
    found = _printed(MANAGER)
    assert "numpy" in found
    assert not {"numba", "scipy", "h5py", "pydantic", "yaml", "importlib.metadata", "prefect"} & set(found)


def test_a_worker_tracks_with_a_kernel_that_was_loaded_without_scipy(tmp_path, bead):
    crops = np.rint(np.clip(bead.stack([[24.3, 25.1, 400.0]], 50), 0, 1) * 255).astype(np.uint8)
    np.save(tmp_path / "crops.npy", crops)
    (x,) = _printed(WORKER, kernels(), tmp_path / "crops.npy")
    assert float(x) == pytest.approx(Tracker(backend="numpy").track(crops).x[0], abs=1e-5)
