"""Cameras by name, and one error for what is none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from opticstream.core.errors import BadInput
from opticstream.scope.cameras import CAMERAS, CameraBase, DummyCameraBeads, ReplayCamera, make_camera


@pytest.mark.parametrize("name", CAMERAS)
def test_each_name_is_a_camera_of_its_own(name: str) -> None:
    camera = make_camera(name)
    assert type(camera) is CAMERAS[name]
    assert camera is not make_camera(name)


def test_a_recording_and_a_class_of_ones_own(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 9), np.uint8), photometric="minisblack")
    replay = make_camera(f"replay:{tmp_path / 'a.tif'}", framerate=7, loop=False)
    assert isinstance(replay, ReplayCamera)
    assert (replay["framerate"], replay.loop, replay.width) == ("7", False, 9)
    own = make_camera("opticstream.scope.camera:DummyCameraBeads", width=600)
    assert isinstance(own, DummyCameraBeads)
    assert own.width == 600


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("bead", "beads, noise, fast-noise, or package.module:Class. A recorded video is replay:FILE"),
        ("", "beads, noise"),
        ("replay:", "replay:FILE"),
        ("no.such.module:Camera", "No module named 'no'"),
        ("opticstream.scope.camera:Nothing", "Nothing"),
        ("pathlib:Path", "a subclass of CameraBase"),
    ],
)
def test_what_is_no_camera_is_refused_with_the_names_there_are(spec: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        make_camera(spec)
    assert says in str(caught.value)


def test_options_that_the_camera_does_not_have_are_refused() -> None:
    with pytest.raises(BadInput, match="colour"):
        make_camera("beads", colour=True)
    assert issubclass(DummyCameraBeads, CameraBase)


def test_importing_cameras_imports_nothing_heavy() -> None:
    heavy = ("numba", "scipy", "zarr", "tifffile", "h5py", "prefect")
    code = f"import sys, opticstream.scope.camera; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
