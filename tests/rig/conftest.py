from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from opticstream.rig import RigConfig

FILES = Path(__file__).parent / "files"


@pytest.fixture
def rig() -> RigConfig:
    return RigConfig(
        {
            "rig_id": "rig-3",
            "COM_port": "COM3",
            "RecordCameras": True,
            "DisplayDeviceIndex": 1,
            "camera": {"face": {"exposure_ms": 5.5}},
        }
    )


@pytest.fixture
def files() -> Path:
    return FILES


@pytest.fixture
def doomed() -> Iterator[list[int]]:
    """Collect processes that must not outlive the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
