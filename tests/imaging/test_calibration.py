"""Calibration and dispersion files: the line is fitted, and every broken file is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from opticstream.core.errors import BadFile
from opticstream.imaging.psoct import load_calibration, load_dispersion


def _lines() -> dict[str, Any]:
    wavelengths = np.linspace(1200, 1400, 9)
    return {
        "mu": np.stack([(wavelengths - 1190) / 0.1, (wavelengths - 1195) / 0.11], axis=1),
        "wave_prime": wavelengths,
    }


def test_the_line_of_each_channel_is_fitted(tmp_path: Path) -> None:
    path = tmp_path / "c.mat"
    savemat(path, _lines())
    found = load_calibration(path, 2048)
    assert found.slope == pytest.approx((0.1, 0.11)) and found.start == pytest.approx((1190, 1195))
    k = found.wavenumbers(3)
    assert k[0] == pytest.approx(2 * np.pi / np.array([1190.1, 1190.2, 1190.3]))
    assert k[1] == pytest.approx(2 * np.pi / np.array([1195.11, 1195.22, 1195.33]))


def test_noise_is_averaged_out(tmp_path: Path) -> None:
    """The line is that of least squares, as a polynomial of first degree is."""
    content = _lines()
    content["mu"] = content["mu"] + np.random.default_rng(1).normal(0, 3, (9, 2))
    savemat(tmp_path / "c.mat", content)
    found = load_calibration(tmp_path / "c.mat", 2048)
    for channel in range(2):
        slope, start = np.polyfit(content["mu"][:, channel], content["wave_prime"], 1)
        assert found.slope[channel] == pytest.approx(slope) and found.start[channel] == pytest.approx(start)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mu": None}, "no variable mu"),
        ({"wave_prime": None}, "no variable wave_prime"),
        ({"mu": np.ones((9, 3))}, r"mu of shape \(9, 3\)"),
        ({"mu": np.ones((4, 2))}, r"mu of shape \(4, 2\) and 9 values"),
        ({"mu": np.ones((9, 2))}, "all the same"),
        ({"mu": np.full((9, 2), np.nan)}, "mu that holds something else; expected finite"),
        ({"mu": "text"}, "mu that holds something else"),
        ({"wave_prime": -np.linspace(1200, 1400, 9)}, "expected positive ones"),
        ({"mu": _lines()["mu"] * [1, -1]}, "that run the same way"),
        ({"mu": _lines()["mu"] - [0, 1e4]}, "overlap"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = tmp_path / "c.mat"
    savemat(path, {name: value for name, value in (_lines() | change).items() if value is not None})
    with pytest.raises(BadFile, match=rf"c\.mat: found .*{says}|c\.mat: .*{says}"):
        load_calibration(path, 2048)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 40, b"\0" * 200, b"MATLAB 5.0 MAT-file" + b" " * 109])
def test_what_is_no_matlab_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.mat"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"c\.mat: found"):
        load_calibration(path, 2048)


@pytest.mark.parametrize("keep", [130, 200, 300])
def test_a_truncated_matlab_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "c.mat"
    savemat(path, _lines())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFile, match=r"c\.mat: found"):
        load_calibration(path, 2048)


def test_matlab_7_3_files_say_how_to_save_them(tmp_path: Path) -> None:
    path = tmp_path / "c.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + b"\0" * 600)
    with pytest.raises(BadFile, match=r"MATLAB 7\.3 file.*save -v7"):
        load_calibration(path, 2048)


def test_files_that_are_not_there_name_their_option(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="--calibration-file"):
        load_calibration(tmp_path / "nothing.mat", 2048)
    with pytest.raises(BadFile, match="--disp-comp-file"):
        load_dispersion(tmp_path / "nothing.dat")


def test_dispersion_is_float64(tmp_path: Path) -> None:
    path = tmp_path / "d.dat"
    path.write_bytes(np.array([0.5, -1, 2], "<f8").tobytes())
    assert load_dispersion(path).tolist() == [0.5, -1, 2]
    for content in (b"", b"1234", np.zeros(1).tobytes(), np.array([1, np.inf]).tobytes()):
        path.write_bytes(content)
        with pytest.raises(BadFile, match=rf"d\.dat: found {len(content)} bytes"):
            load_dispersion(path)
