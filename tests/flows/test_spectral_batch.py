"""Batches of spectral tiles through the same flow: reconstructed in the claim, announced once, refused by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct
from opticstream.imaging.psoct import TileOptions, process_complex_tile
from support.brain import Brain
from support.oct_folder import set_up

NX, NY, DEPTH = 12, 10, 40
PER_BATCH = 2 * 9 + 1

Spectral = Callable[..., list[Path]]


@pytest.fixture
def spectral(brain: Brain) -> Spectral:
    """Return what sets project and batch up for a kind of tile; further fields go into the configuration."""

    def prepare(kind: str = "spectral", **fields: Any) -> list[Path]:
        spec = SimulationSpec(kind=kind, shape=(NX, NY, DEPTH), batches=1, tiles_per_batch=2, seed=3)
        files = simulate_oct(brain.tiles, spec)
        acquisition = {
            "tile_saving_type": kind,
            "spectral_layout": spec.spectral_layout,
            "spectral_samples": 2 * (DEPTH + 24),
            "spectral_packing": spec.spectral_packing if kind == "spectral_12bit" else None,
            "tile_size_x_normal": NX,
            "tile_size_y": NY,
        }
        processing = {
            "calibration_file": brain.tiles / "calibration.mat",
            "disp_comp_file": brain.tiles / "dispersion.dat",
        }
        content = brain.config.model_dump()
        content["acquisition"] |= acquisition
        content["processing"] |= processing
        for name, value in fields.items():
            next(part for part in (content["acquisition"], content["processing"]) if name in part)[name] = value
        brain.config = PSOCTScanConfig.model_validate(content)
        set_up(brain.settings, brain.config)
        source = {"file_list": [str(path) for path in files], "project_base_path": str(brain.config.project_base_path)}
        brain.state.register_ready(brain.ident(), fingerprint="f", source=source, dispatch="direct")
        return files

    return prepare


def _product(brain: Brain, tile: int, name: str) -> NDArray[np.float32]:
    folder = brain.config.project_base_path / "slice-01" / ("complex" if name == "complex" else "processed")
    return np.asarray(nibabel.load(folder / f"mosaic_001_image_{tile:04d}_{name}.nii").dataobj)


@pytest.mark.parametrize("kind", ["spectral", "spectral_12bit"])
def test_a_batch_of_spectra_becomes_products_and_milestones(brain: Brain, spectral: Spectral, kind: str) -> None:
    spectral(kind, save_complex=True)
    result = brain.process()
    assert result["outcome"] == "processed"
    assert sorted(Path(name).name for name in result["products"]) == brain.products
    assert len(brain.products) == PER_BATCH + 2
    row = brain.row()
    assert row.status == "completed"
    assert [row.milestones[name] for name in ("complexed", "volume_processed", "enface_processed")] == [True] * 3
    for tile in (1, 2):
        fields = np.ascontiguousarray(_product(brain, tile, "complex").transpose(2, 1, 0))
        assert fields.shape == (DEPTH, NY, 4 * NX)
        made = process_complex_tile(fields, TileOptions())
        for name, volume in made.volumes.items():
            assert np.array_equal(_product(brain, tile, name).transpose(2, 1, 0), volume), name
        for name, enface in made.enface.items():
            assert np.array_equal(_product(brain, tile, name)[..., 0].T, enface, equal_nan=True), name


def test_reconstructed_fields_are_kept_only_when_asked(brain: Brain, spectral: Spectral) -> None:
    spectral()
    brain.process()
    assert len(brain.products) == PER_BATCH
    assert not (brain.config.project_base_path / "slice-01" / "complex").exists()


def test_complex_tiles_with_their_spectra(brain: Brain, spectral: Spectral) -> None:
    """The fields are what is processed; calibration is not needed; a broken spectral file still fails the batch."""
    files = spectral("complex_with_spectral", calibration_file=None, disp_comp_file=None)
    broken = files[3]
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1])
    with pytest.raises(BadFile, match=r"image_0002_spectral.*as its header says"):
        brain.process()
    assert brain.row().status == "failed" and brain.products == []
    broken.write_bytes(whole)
    assert brain.process(force_rerun=True)["outcome"] == "processed"
    assert len(brain.products) == PER_BATCH
    assert not brain.row().milestones["complexed"]
    made = process_complex_tile(files[2], TileOptions())
    assert np.array_equal(_product(brain, 2, "dBI").transpose(2, 1, 0), made.volumes["dBI"])


def test_every_tile_needs_each_kind_of_file(brain: Brain, spectral: Spectral) -> None:
    spectral("complex_with_spectral")
    endings = "0003_processed", "0004_processed", "0003_spectral"
    files = [str(brain.tiles / f"mosaic_001_image_{ending}_cropped_focus.nii") for ending in endings]
    with pytest.raises(BadInput, match=r"found spectral tiles \[3\]; expected one file for each of the tiles \[3, 4\]"):
        brain.process(2, file_list=files)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"spectral_layout": "sample_fastest"}, r"image_0001_spectral.*check acquisition\.spectral_layout"),
        ({"spectral_layout": None}, "acquisition.spectral_layout"),
        ({"calibration_file": None}, "processing.calibration_file"),
        ({"calibration_file": Path("nowhere.mat")}, r"nowhere\.mat: found No such file"),
        ({"disp_comp_file": Path("nowhere.dat")}, r"nowhere\.dat: found No such file"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(
    brain: Brain, spectral: Spectral, fields: dict[str, Any], says: str
) -> None:
    spectral(**fields)
    with pytest.raises(BadInput, match=says):
        brain.process()
    assert brain.row().status == "failed" and says.split(r"\.")[0].split(".*")[0] in (brain.row().error or "")
    assert brain.products == []


def test_a_volume_that_cannot_be_written_is_the_one_that_is_named(
    brain: Brain, spectral: Spectral, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several files are open at once; the second row of one of them meets a full disk."""
    from opticstream.imaging.nifti_rows import NiftiRowWriter

    spectral()
    write = NiftiRowWriter.write

    def full(self: NiftiRowWriter, first_row: int, block: NDArray[np.float32]) -> None:
        if "R3D" in str(self._file.name):
            raise OSError(28, "No space left on device")
        write(self, first_row, block)

    monkeypatch.setattr(NiftiRowWriter, "write", full)
    with pytest.raises(WriteFailed, match=r"image_0001_R3D\.nii: found No space left"):
        brain.process()
    assert brain.products == [] and brain.row().status == "failed"


def test_what_a_dead_claim_left_of_complex_tiles_is_swept(brain: Brain, spectral: Spectral) -> None:
    spectral(save_complex=True)
    left = brain.config.project_base_path / "slice-01" / "complex" / ".mosaic_001_image_0001_complex.nii.token-0.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left")
    brain.process()
    assert not left.exists() and len(brain.products) == PER_BATCH + 2


def test_two_tiles_of_other_size_are_refused(brain: Brain, spectral: Spectral) -> None:
    files = spectral()
    spec = SimulationSpec(kind="spectral", shape=(NX, NY + 1, DEPTH), batches=1, tiles_per_batch=2, seed=3)
    other = simulate_oct(brain.tiles / "other", replace(spec))[1]
    files[1].write_bytes(other.read_bytes())
    with pytest.raises(BadFile, match=r"image_0002_dBI\.nii: found shape .*like the batch's other tiles"):
        brain.process()
