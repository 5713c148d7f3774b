"""NIfTI files: whole or refused with file, found and expected; written so that others read them."""

import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadFile
from opticstream.imaging.nifti import (
    check_complex_tile,
    map_nifti,
    nifti_header,
    read_nifti_info,
    write_little_by_little,
    write_nifti,
)

VOXEL = (0.01, 0.02, 0.0025)


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    path = tmp_path / "Gewebe 組織 1.nii"
    write_nifti(path, np.arange(3 * 5 * 8, dtype=np.float32).reshape(3, 5, 8), VOXEL, description="tile")
    return path


def test_others_read_what_we_write(tile: Path) -> None:
    image = nibabel.load(tile)
    assert image.shape == (8, 5, 3) and image.get_data_dtype() == np.float32
    assert np.allclose(image.affine, np.diag((*VOXEL, 1)))
    assert image.header.get_xyzt_units()[0] == "mm"
    assert np.array_equal(np.asanyarray(image.dataobj), np.arange(120, dtype=np.float32).reshape(3, 5, 8).T)


def test_a_map_has_a_third_axis_of_one(tmp_path: Path) -> None:
    path = tmp_path / "map.nii"
    write_nifti(path, np.ones((5, 8), np.float32), VOXEL, description="aip")
    assert nibabel.load(path).shape == (8, 5, 1)


def test_we_read_what_others_write(tmp_path: Path) -> None:
    path = tmp_path / "theirs.nii"
    data = np.arange(24, dtype=">f4").reshape(4, 3, 2)
    image = nibabel.Nifti1Image(data, np.diag((*VOXEL, 1)), header=nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, path)
    info = check_complex_tile(path)
    assert info.shape == (4, 3, 2)
    assert info.dtype.byteorder == ">" or sys.byteorder == "big"
    assert info.voxel_mm == pytest.approx(VOXEL)
    assert np.array_equal(map_nifti(path), data.T)


@pytest.mark.parametrize("dtype", [np.float64, ">f4"])
def test_any_layout_and_sample_type_is_written_as_little_endian_float32(tmp_path: Path, dtype: Any) -> None:
    """Larger than one block of writing, every other sample of its rows, and no native floats."""
    volume = np.random.default_rng(1).random((7, 1500, 1600)).astype(dtype)[:, :, ::2]
    path = tmp_path / "views.nii"
    write_nifti(path, volume, VOXEL, description="view")
    assert path.stat().st_size == 352 + 4 * volume.size
    written = map_nifti(path)
    assert written.dtype == np.dtype("<f4") and np.array_equal(written, volume.astype(np.float32))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _header_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _gone(path: Path) -> None:
    path.unlink()


def _compressed(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))


def _another_format(path: Path) -> None:
    path.write_bytes(b"II*\0" * 500)


def _no_samples(path: Path) -> None:
    path.write_bytes(nifti_header((0, 5, 3), VOXEL, ""))


def _damage(path: Path, where: int, form: str, *values: float) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, where, *values)
    path.write_bytes(content)


def _more_samples_than_can_be_counted(path: Path) -> None:
    _damage(path, 40, "<8h", 7, *[16384] * 7)  # 2^98, which is 0 in 64 bits


def _samples_of_no_type(path: Path) -> None:
    _damage(path, 70, "<h", 0)


def _samples_at(offset: float) -> Callable[[Path], None]:
    return lambda path: _damage(path, 108, "<f", offset)


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (_truncated, "831 bytes"),
        (_header_only, "200 bytes"),
        (_empty, "0 bytes"),
        (_folder, "a folder"),
        (_gone, "No such file"),
        (_compressed, "compressed"),
        (_another_format, "2000 bytes"),
        (_no_samples, "shape"),
        (_more_samples_than_can_be_counted, "shape (16384, "),
        (_samples_of_no_type, "do not begin with a NIfTI-1 header"),
        (_samples_at(float("nan")), "do not begin with a NIfTI-1 header"),
        (_samples_at(float("inf")), "do not begin with a NIfTI-1 header"),
        (_samples_at(-400), "do not begin with a NIfTI-1 header"),
        (_samples_at(100), "do not begin with a NIfTI-1 header"),
        (_samples_at(400), "832 bytes"),
    ],
)
def test_a_file_that_is_not_whole_is_named(tile: Path, harm: Callable[[Path], None], found: str) -> None:
    harm(tile)
    for read in (read_nifti_info, check_complex_tile, map_nifti):
        with pytest.raises(BadFile) as caught:
            read(tile)
        assert str(tile) == caught.value.where and found in caught.value.found and caught.value.expected


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_an_unreadable_file_is_named(tile: Path) -> None:
    tile.chmod(0)
    with pytest.raises(BadFile, match="Permission denied"):
        read_nifti_info(tile)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(BadFile, match="expected a NIfTI-1 file"):
        read_nifti_info(tmp_path / "pipe.nii")


@pytest.mark.parametrize(("dtype", "shape"), [("f8", (8, 2, 2)), ("i4", (8, 2, 2)), ("f4", (9, 2, 2)), ("f4", (8, 2))])
def test_other_volumes_are_no_complex_tiles(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "other.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, dtype), np.eye(4), dtype=dtype), path)
    with pytest.raises(BadFile, match=r"expected a complex tile: float32, shape \(4·nx, ny, nz\)"):
        check_complex_tile(path)


@pytest.mark.parametrize("scaling", [(3.0, 0.0), (1.0, 5.0), (0.5, -1.0)])
def test_samples_to_be_scaled_are_not_taken_for_fields(tile: Path, scaling: tuple[float, float]) -> None:
    _scale(tile, scaling)
    assert not np.array_equal(nibabel.load(tile).get_fdata(), map_nifti(tile).T)
    with pytest.raises(BadFile, match=rf"scl_slope {scaling[0]:g}, scl_inter {scaling[1]:g}; expected a complex tile"):
        check_complex_tile(tile)


@pytest.mark.parametrize("scaling", [(0.0, 0.0), (0.0, 7.0), (1.0, 0.0), (float("nan"), 2.0)])
def test_a_header_may_say_that_nothing_is_scaled(tile: Path, scaling: tuple[float, float]) -> None:
    _scale(tile, scaling)
    check_complex_tile(tile)
    assert np.array_equal(nibabel.load(tile).get_fdata(), map_nifti(tile).T)


def _scale(path: Path, scaling: tuple[float, float]) -> None:
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<2f", *scaling)
    path.write_bytes(content)


@given(damage=st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_damaged_header_is_refused_or_read(
    damage: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever its header says, a file is mapped whole or refused as a bad file."""
    path = tmp_path_factory.getbasetemp() / "damaged.nii"
    content = bytearray(nifti_header((8, 5, 3), VOXEL, "tile") + bytes(480))
    for where, value in damage:
        content[where] = value
    path.write_bytes(content)
    try:
        info = read_nifti_info(path)
    except BadFile as error:
        assert error.where == str(path) and error.found and error.expected
    else:
        samples = map_nifti(path)
        assert samples.shape == info.shape[::-1] and info.offset + samples.nbytes <= len(content)


@given(
    shape=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    voxel=st.tuples(*[st.floats(1e-4, 1e3)] * 3),
    description=st.text(max_size=120),
)
def test_any_header_is_read_by_nibabel(shape: list[int], voxel: tuple[float, float, float], description: str) -> None:
    header = nibabel.Nifti1Header(nifti_header(tuple(shape), voxel, description)[:348])
    assert header.get_data_shape() == tuple(shape)
    assert header.get_zooms()[:3] == pytest.approx(voxel[: len(shape)])
    assert header["vox_offset"] == 352


def test_written_in_pieces_it_is_short_until_the_end(tmp_path: Path) -> None:
    path, sizes = tmp_path / "slow.nii", []
    write_little_by_little(path, bytes(1000), lambda: sizes.append(path.stat().st_size), pieces=4)
    assert sizes == [250, 500, 750, 1000]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disk_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_nifti(Path("/dev/full"), np.zeros((50, 100, 100), np.float32), VOXEL, description="x")


_WRITE_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
import numpy as np
from opticstream.core.errors import WriteFailed
from opticstream.core.staging import StagedFiles
from opticstream.imaging.nifti import write_nifti

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
final, staged = Path(sys.argv[1]), StagedFiles(token=7)
try:
    with staged.writing(final) as path:
        write_nifti(path, np.zeros((9, 100, 100), np.float32), (1, 1, 1), description="x")
except WriteFailed as error:
    print(error)
print([(path.name == final.name, path.stat().st_size) for path in final.parent.iterdir()])
staged.discard()
"""


@pytest.mark.skipif(os.name == "nt", reason="no limit on file sizes here")
def test_what_fails_midway_is_never_under_the_final_name(tmp_path: Path) -> None:
    final = tmp_path / "Gewebe 組織.nii"
    command = [sys.executable, "-X", "utf8", "-c", _WRITE_WITH_LITTLE_ROOM, str(final)]
    message, left = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout.splitlines()
    assert message.startswith(f"{final}: found File too large")
    assert left == "[(False, 100000)]", "midway, under another name"
    assert list(tmp_path.iterdir()) == []
