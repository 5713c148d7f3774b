"""Spectral files: both layouts and both packings give the same samples, and what does not fit is refused."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.imaging.nifti import nifti_header
from opticstream.imaging.psoct import SpectralFormat, SpectralTile, check_spectra_of, check_spectral_tile
from opticstream.imaging.psoct.packed12 import pack12, unpack12

ALINES, BLINES, SAMPLES = 5, 3, 64
SPECTRA = np.random.default_rng(0).integers(0, 4096, (BLINES, 2, SAMPLES, ALINES)).astype(np.uint16)
A_FIRST = SpectralFormat("aline_fastest", SAMPLES)
S_FIRST = SpectralFormat("sample_fastest", SAMPLES)


def write(path: Path, array: Any, dtype: str = "<u2") -> Path:
    """Write a C array as NIfTI: its last axis is the file's first."""
    path.write_bytes(nifti_header(array.shape[::-1], (1, 1, 1), "spectra", dtype=dtype) + array.astype(dtype).tobytes())
    return path


def read(path: Path, stored: SpectralFormat) -> Any:
    with SpectralTile(check_spectral_tile(path, stored)) as tile:
        assert (tile.info.alines, tile.info.blines) == (ALINES, BLINES)
        return np.stack([tile.read(bline) for bline in reversed(range(BLINES))])[::-1]


@pytest.mark.parametrize("stored", [A_FIRST, S_FIRST])
def test_both_layouts_give_the_same_spectra(tmp_path: Path, stored: SpectralFormat) -> None:
    array = SPECTRA if stored is A_FIRST else SPECTRA.transpose(0, 1, 3, 2)
    assert np.array_equal(read(write(tmp_path / "a.nii", array), stored), SPECTRA)


@pytest.mark.parametrize("packing", ["mono12p", "mono12packed"])
@pytest.mark.parametrize("layout", ["aline_fastest", "sample_fastest"])
def test_packed_files_give_the_same_spectra(tmp_path: Path, layout: Any, packing: Any) -> None:
    array = SPECTRA if layout == "aline_fastest" else SPECTRA.transpose(0, 1, 3, 2)
    path = tmp_path / "a.raw"
    path.write_bytes(pack12(np.ascontiguousarray(array), packing).tobytes())
    assert np.array_equal(read(path, SpectralFormat(layout, SAMPLES, packing, (ALINES, BLINES))), SPECTRA)


def test_foreign_byte_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.nii"
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">u2")
    nibabel.save(nibabel.Nifti1Image(SPECTRA.T, np.eye(4), header=header), path)
    assert check_spectral_tile(path, A_FIRST).dtype == np.dtype(">u2")
    assert np.array_equal(read(path, A_FIRST), SPECTRA)


def test_packings_are_those_of_the_standard() -> None:
    """Samples 0xABC and 0x123, as the tables of both formats show them."""
    samples = np.array([0xABC, 0x123], np.uint16)
    assert pack12(samples, "mono12p").tobytes() == bytes([0xBC, 0x3A, 0x12])
    assert pack12(samples, "mono12packed").tobytes() == bytes([0xAB, 0x3C, 0x12])


@given(
    samples=st.lists(st.integers(0, 4095), min_size=2, max_size=60),
    packing=st.sampled_from(["mono12p", "mono12packed"]),
)
def test_unpacking_undoes_packing(samples: list[int], packing: Any) -> None:
    even = np.array(samples[: len(samples) // 2 * 2], np.uint16)
    assert np.array_equal(unpack12(pack12(even, packing), packing), even)


@pytest.mark.parametrize(
    ("array", "dtype", "stored", "says"),
    [
        (SPECTRA, "<u2", S_FIRST, "those of the other layout: check acquisition.spectral_layout"),
        (SPECTRA.transpose(0, 1, 3, 2), "<u2", A_FIRST, "those of the other layout"),
        (SPECTRA, "<u2", SpectralFormat("aline_fastest", 128), r"expected .*shape \(A-lines, 128, 2, B-lines\)"),
        (SPECTRA, "<i2", A_FIRST, "of int16; expected .*uint16"),
        (SPECTRA, "<f4", A_FIRST, "of float32; expected .*uint16"),
        (SPECTRA[:, :1], "<u2", A_FIRST, r"shape \(5, 64, 1, 3\)"),
        (SPECTRA[0, 0], "<u2", A_FIRST, r"shape \(5, 64\)"),
        (SPECTRA[None], "<u2", A_FIRST, r"shape \(5, 64, 2, 3, 1\)"),
    ],
)
def test_a_header_that_says_something_else_is_refused(
    tmp_path: Path, array: Any, dtype: str, stored: SpectralFormat, says: str
) -> None:
    with pytest.raises(BadFile, match=says):
        check_spectral_tile(write(tmp_path / "a.nii", array, dtype), stored)


def test_truncated_missing_and_misnamed_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", SPECTRA)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadFile, match="as its header says"):
        check_spectral_tile(path, A_FIRST)
    packed = SpectralFormat("aline_fastest", SAMPLES, "mono12p", (ALINES, BLINES))
    for broken in (path, tmp_path / "nothing.raw", tmp_path):
        with pytest.raises(BadFile, match="found"):
            check_spectral_tile(broken, packed)
    size = BLINES * 2 * SAMPLES * ALINES * 3 // 2
    with pytest.raises(BadFile, match=rf"expected {size} bytes: 3 B-lines of 5 A-lines"):
        check_spectral_tile(path, packed)


def test_one_bline_may_be_left_out_of_the_header(tmp_path: Path) -> None:
    info = check_spectral_tile(write(tmp_path / "a.nii", SPECTRA[0]), A_FIRST)
    assert (info.alines, info.blines) == (ALINES, 1)


def _config(tmp_path: Path, **acquisition: Any) -> PSOCTScanConfig:
    processing = {"calibration_file": tmp_path / "c.mat"}
    return PSOCTScanConfig.model_validate(
        {"project_name": "p", "project_base_path": tmp_path, "acquisition": acquisition, "processing": processing}
    )


def test_the_format_is_what_the_configuration_says(tmp_path: Path) -> None:
    sizes = {"tile_size_x_normal": 7, "tile_size_x_tilted": 4, "tile_size_y": 6, "spectral_samples": 128}
    plain = _config(tmp_path, tile_saving_type="spectral", spectral_layout="sample_fastest", **sizes)
    assert SpectralFormat.from_config(plain, 1) == SpectralFormat("sample_fastest", 128, None, (7, 6))
    packed = _config(
        tmp_path,
        tile_saving_type="spectral_12bit",
        spectral_layout="aline_fastest",
        spectral_packing="mono12p",
        **sizes,
    )
    assert SpectralFormat.from_config(packed, 2) == SpectralFormat("aline_fastest", 128, "mono12p", (4, 6))


def test_beside_complex_tiles_only_what_is_configured_is_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", SPECTRA)
    check_spectra_of(_config(tmp_path, tile_saving_type="complex_with_spectral"), path, 1)
    both = _config(tmp_path, tile_saving_type="complex_with_spectral", spectral_layout="sample_fastest")
    with pytest.raises(BadFile, match="sample_fastest"):
        check_spectra_of(both, path, 1)
    with pytest.raises(BadInput, match="spectral_layout"):
        check_spectra_of(_config(tmp_path, tile_saving_type="spectral"), path, 1)
