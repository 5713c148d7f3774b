"""Z-LUTs: as files, and made from a sweep."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from opticstream.core.errors import BadFile, BadInput
from opticstream.scope.tracking import ZLut, zlut_from_sweep

_PROFILES = nps.arrays(
    np.float64,
    st.tuples(st.integers(2, 6), st.integers(2, 6)),
    elements=st.floats(-1e9, 1e9) | st.just(float("nan")),
).filter(lambda found: not np.isnan(found).all(axis=0).any())


@given(profiles=_PROFILES, start=st.floats(-1e6, 1e6), binning=st.sampled_from(["rounded", "linear", "unknown"]))
def test_a_file_gives_back_every_bit(
    tmp_path_factory: pytest.TempPathFactory, profiles: np.ndarray, start: float, binning: str
) -> None:
    lut = ZLut(start + np.arange(profiles.shape[1]) * 0.1, profiles, binning, 3)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("lut") / "deeper" / "z.txt"
    lut.save(path)
    again = ZLut.load(path)
    assert np.array_equal(again.z_nm, lut.z_nm)
    assert np.array_equal(again.profiles, lut.profiles, equal_nan=True)
    assert (again.binning, again.oversample, again.content_hash) == (lut.binning, lut.oversample, lut.content_hash)
    # The predecessor's way of reading, which skips what is behind a #.
    assert np.array_equal(np.loadtxt(path), np.vstack([lut.z_nm, lut.profiles]), equal_nan=True)


def test_a_file_of_the_predecessor_is_read(tmp_path: Path) -> None:
    matrix = np.vstack([np.arange(-500, 501, 100), np.random.default_rng(0).random((25, 11))])
    np.savetxt(tmp_path / "z.txt", matrix)
    lut = ZLut.load(tmp_path / "z.txt")
    assert np.array_equal(np.vstack([lut.z_nm, lut.profiles]), matrix)
    assert (lut.binning, lut.oversample, lut.bins, lut.step_nm) == ("unknown", 1, 25, 100.0)


@pytest.mark.parametrize(
    "text",
    ["", "# only words\n", "1 2 3\n", "1 2\n1\n", "1 2\na b\n", "1 nan\n1 2\n3 4\n", "1 2\n1 nan\n3 nan\n",
     "# bins per pixel: 0\n1 2\n1 2\n3 4\n", "1 2\n1 inf\n3 4\n"],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "z.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(BadFile) as caught:
        ZLut.load(path)
    assert str(path) in str(caught.value)


def test_missing_binary_and_changed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile):
        ZLut.load(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(BadFile):
        ZLut.load(tmp_path / "binary")
    path = tmp_path / "z.txt"
    ZLut(np.arange(3.0), np.eye(3) + 1).save(path)
    path.write_text(path.read_text("utf-8").replace("2.0 1.0 1.0", "2.0 1.5 1.0"), "utf-8")
    with pytest.raises(BadFile, match="checksum"):
        ZLut.load(path)


def test_a_table_is_its_own_and_cannot_be_changed() -> None:
    z = np.arange(4.0)
    lut = ZLut(z, np.random.default_rng(0).random((3, 4)))
    before = lut.content_hash
    z[:] = 9
    assert ZLut(lut.z_nm, lut.profiles).content_hash == before
    with pytest.raises(ValueError, match="read-only"):
        lut.profiles[0, 0] = 1
    assert ZLut(lut.z_nm, lut.profiles, "linear").content_hash != before
    with pytest.raises(BadInput):
        ZLut(np.arange(3.0), np.ones((3, 4)))


def test_a_sweep_becomes_means_by_step() -> None:
    random = np.random.default_rng(0)
    step = random.permutation(np.repeat(np.arange(5), 4))
    profiles = random.random((20, 6))
    profiles[3, 2] = np.nan
    z = step * 100.0 + random.normal(0, 1, 20)
    valid = np.ones(20, bool)
    valid[7] = False
    lut = zlut_from_sweep(step, z, profiles, valid=valid, steps=5, binning="linear")
    for plane in range(5):
        members = (step == plane) & valid
        assert np.allclose(lut.profiles[:, plane], np.nanmean(profiles[members], axis=0))
        assert lut.z_nm[plane] == pytest.approx(z[members].mean())
    assert lut.binning == "linear"


def test_a_sweep_with_a_hole_is_refused() -> None:
    step, z, profiles = np.array([0, 0, 2]), np.zeros(3), np.ones((3, 4))
    with pytest.raises(BadInput, match="at step 1;"):
        zlut_from_sweep(step, z, profiles)
    with pytest.raises(BadInput, match="at step 1, 3"):
        zlut_from_sweep(step, z, profiles, steps=4)
    profiles[2] = np.nan
    with pytest.raises(BadInput, match="at step 1, 2"):
        zlut_from_sweep(step, z, profiles)
    with pytest.raises(BadInput, match="Z-LUT sweep"):
        zlut_from_sweep(step, z[:2], profiles)
