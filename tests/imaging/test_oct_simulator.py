"""The simulated microscope: the same seed gives the same bytes, and the truth lies beside them."""

import dataclasses
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.imaging import oct_simulator
from opticstream.imaging.nifti import check_complex_tile, map_nifti
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct, simulate_tile
from opticstream.imaging.psoct import SpectralFormat, check_spectral_tile, load_calibration, load_dispersion
from opticstream.watch.tile_name import TileName

SMALL = SimulationSpec(mosaics=2, batches=2, tiles_per_batch=2, shape=(10, 8, 30), seed=5)


def test_every_tile_and_its_truth_are_there(tmp_path: Path) -> None:
    files = simulate_oct(tmp_path, SMALL)
    assert len(files) == 8
    for path in files:
        name = TileName.parse(path.name)
        assert name is not None and name.kind != "spectral"
        assert check_complex_tile(path).shape == (40, 8, 30)
        truth = np.load(tmp_path / "ground_truth" / f"mosaic_{name.mosaic:03d}_image_{name.tile:04d}.npz")
        assert {truth[key].shape for key in truth.files} == {(8, 10)}
    assert json.loads((tmp_path / "ground_truth" / "spec.json").read_text())["seed"] == 5


def test_a_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    first, again = (simulate_oct(tmp_path / name, SMALL) for name in ("a", "b"))
    other = simulate_oct(tmp_path / "c", dataclasses.replace(SMALL, seed=6))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", ["spectral", "spectral_12bit", "complex_with_spectral"])
def test_spectra_come_with_what_their_reconstruction_needs(tmp_path: Path, kind: str) -> None:
    spec = dataclasses.replace(SMALL, mosaics=1, batches=1, kind=kind)
    files = simulate_oct(tmp_path / "a", spec)
    kinds = [TileName.parse(path.name) for path in files]
    wanted = ["complex", "spectral"] if kind == "complex_with_spectral" else ["spectral"]
    assert [(name.tile, name.kind) for name in kinds if name] == [(tile, k) for tile in (1, 2) for k in wanted]
    samples = 2 * (30 + 24)
    for path in files:
        if "_spectral_" in path.name:
            packing = spec.spectral_packing if kind == "spectral_12bit" else None
            info = check_spectral_tile(path, SpectralFormat("aline_fastest", samples, packing, (10, 8)))
            assert (info.alines, info.blines) == (10, 8)
    again = simulate_oct(tmp_path / "b", spec)
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]
    assert load_calibration(tmp_path / "a" / "calibration.mat", samples).slope[0] > 0
    assert len(load_dispersion(tmp_path / "a" / "dispersion.dat")) == samples


def test_both_layouts_hold_the_same_spectra(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, mosaics=1, batches=1, tiles_per_batch=1, kind="spectral")
    (a,) = simulate_oct(tmp_path / "a", spec)
    (s,) = simulate_oct(tmp_path / "s", dataclasses.replace(spec, spectral_layout="sample_fastest"))
    assert np.array_equal(map_nifti(a), map_nifti(s).transpose(0, 1, 3, 2))


def test_neighbours_show_the_same_tissue() -> None:
    """Tiles overlap by a fifth: what the right edge of one shows, the left edge of the next does."""
    spec = SimulationSpec(tiles_per_batch=1, shape=(50, 10, 30))
    left, right = (simulate_tile(spec, 1, tile)[0] for tile in (1, 2))
    assert np.allclose(left.orientation_deg[:, 40:], right.orientation_deg[:, :10])
    assert np.allclose(left.surface[:, 40:], right.surface[:, :10])


def test_slow_writing_is_seen_as_growth_and_ends_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(SMALL, mosaics=1, batches=1, slow_write=True, interval_s=0.3)
    sizes: set[int] = set()
    pauses: list[float] = []
    first = tmp_path / "slow" / "mosaic_001_image_0001_processed_cropped_focus.nii"

    def look(seconds: float) -> None:
        """What somebody sees who looks while the writer pauses."""
        pauses.append(seconds)
        sizes.add(first.stat().st_size)

    with monkeypatch.context() as patch:
        patch.setattr(oct_simulator, "time", SimpleNamespace(sleep=look))
        slow = simulate_oct(tmp_path / "slow", spec)
    assert len(sizes) >= 3 and set(pauses) == {spec.interval_s / 6}
    quick = simulate_oct(tmp_path / "quick", SMALL)
    assert [path.read_bytes() for path in slow] == [path.read_bytes() for path in quick[:2]]


def test_it_stops_before_the_next_tile(tmp_path: Path) -> None:
    stop = threading.Event()
    assert len(simulate_oct(tmp_path, SMALL, on_file=lambda _: stop.set(), stop=stop)) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "raw"}, "--kind: found 'raw'; expected complex"),
        ({"shape": (8, 0, 30)}, r"--shape: found \(8, 0, 30\); expected at least 1"),
        ({"shape": (8192, 8, 30)}, "--shape: found .* an axis of 32768; expected axes of at most 32767"),
        ({"shape": (8, 8, 16384), "kind": "spectral"}, "--shape: found .* an axis of 32816; expected"),
        ({"seed": -1}, "--seed: found -1; expected 0 or more"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        simulate_oct(tmp_path / "out", dataclasses.replace(SMALL, **wrong))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(WriteFailed, match=r"out: found .*; expected a folder with room"):
        simulate_oct(tmp_path / "out", SMALL)
