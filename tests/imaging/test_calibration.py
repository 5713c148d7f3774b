"""Calibration and dispersion files: the line is fitted, and every broken file is named."""

import contextlib
import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from opticstream.core.errors import BadFile
from opticstream.imaging.mat_file import read_mat_numbers
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


@pytest.mark.parametrize("compressed", [False, True])
def test_files_of_matlab_and_scipy_are_read(tmp_path: Path, compressed: bool) -> None:
    """Whole numbers are stored in the smallest type that holds them; other variables are passed over."""
    path = tmp_path / "c.mat"
    others = {"note": "text", "set": {"a": 1}, "cells": np.array([1, "b"], object), "z": np.array([1j])}
    for dtype in ("f8", "f4", "i2", "u4", "i8"):
        mu = np.array([[100, 103], [2000, 1998], [900, 905]], dtype)
        wavelengths = np.array([1200, 1400, 1300], dtype)
        savemat(path, others | {"mu": mu, "wave_prime": wavelengths}, do_compression=compressed)
        found = read_mat_numbers(path, ("mu", "wave_prime"), action="")
        assert np.array_equal(found["mu"], mu) and found["wave_prime"].tolist() == [[1200, 1400, 1300]]
        assert found["mu"].dtype == np.float64


def test_big_endian_files_and_small_elements_are_read(tmp_path: Path) -> None:
    """Built by hand from the format's description; no writer at hand makes them."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")

    name = struct.pack(">HH", 2, 1) + b"mu\0\0"
    numbers = struct.pack(">4d", 1, 2, 3, 4)
    array = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 2)) + name + element(9, numbers)
    path = tmp_path / "big.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, array))
    assert read_mat_numbers(path, ("mu",), action="")["mu"].tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("name", [b"day", b"when", b"notes", b"created"])
def test_objects_beside_the_numbers_are_passed_over(tmp_path: Path, name: bytes) -> None:
    """A workspace saved whole holds strings and dates, too; built by hand, and SciPy reads it."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")

    size, empty = element(5, struct.pack("<ii", 6, 1)), element(1, b"")
    mark = (
        element(6, struct.pack("<II", 13, 0)) + size + empty + element(6, struct.pack("<6I", 0xDD000000, 2, *[1] * 4))
    )
    content = element(6, struct.pack("<II", 17, 0)) + element(1, name) + element(1, b"MCOS") + element(1, b"string")
    path = tmp_path / "workspace.mat"
    savemat(path, {"mu": np.eye(2)})
    plain = path.read_bytes()
    path.write_bytes(plain[:128] + element(14, content + element(14, mark)) + plain[128:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two variables without a name
        assert loadmat(path)["mu"].tolist() == [[1, 0], [0, 1]]
    assert read_mat_numbers(path, ("mu",), action="")["mu"].tolist() == [[1, 0], [0, 1]]
    with pytest.raises(BadFile, match=f"found {name.decode()} that holds something else"):
        read_mat_numbers(path, (name.decode(),), action="")


@given(
    compressed=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=6),
    keep=st.integers(0, 600),
)
@settings(max_examples=400, deadline=None)
def test_damaged_files_are_refused_or_read_but_do_no_harm(
    tmp_path_factory: pytest.TempPathFactory, compressed: bool, changes: list[tuple[int, int]], keep: int
) -> None:
    stream = io.BytesIO()
    savemat(stream, _lines(), do_compression=compressed)
    data = bytearray(stream.getvalue())
    for at, value in changes:
        data[at % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    path.write_bytes(data if keep > 500 else data[:keep])
    with contextlib.suppress(BadFile):
        assert np.isfinite(load_calibration(path, 2048).slope).all()


def test_an_array_of_impossible_size_is_refused(tmp_path: Path) -> None:
    """Types and sizes are checked before anything is made of them."""
    path = tmp_path / "c.mat"
    savemat(path, _lines())
    whole = path.read_bytes()
    at = whole.index(b"\x09\0\0\0\x90\0\0\0")
    for start, value in (
        (at, b"\x09\x86"),
        (at + 4, b"\xff\xff\xff\x7f"),
        (whole.index(b"\x09\0\0\0\x02"), b"\xff" * 4),
    ):
        path.write_bytes(whole[:start] + value + whole[start + len(value) :])
        with pytest.raises(BadFile, match=r"c\.mat: found no whole MATLAB file"):
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
    path.write_bytes(bytes(8 << 20) + bytes(8))
    with pytest.raises(BadFile, match=r"d\.dat: found more than 1048576 phases"):
        load_dispersion(path)
