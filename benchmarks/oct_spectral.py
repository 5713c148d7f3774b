"""How fast spectral tiles are processed, and in how much memory, against the formulae in plain float64 NumPy.

Run as ``python benchmarks/oct_spectral.py [--small]``. Each measurement is a process of its own that takes a tile's
file as the flow does. Spectra to fields is compared on a tile of 50 B-lines, on one thread, own code and NumPy in
turns: MB of raw tile per CPU second, and the peak of anonymous memory above what the process held after imports
(Linux only). The whole way, to volumes on disk and maps, is measured on a tile of full size through the flow's own
task; NumPy would need some 30 GB for its fields alone.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _emit import emit as result
from _measure import STATUS, memory, run, speed, through_flow

from opticstream.core.scan_config import OCTAcquisition, OCTProcessing, PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.imaging.nifti import map_nifti, nifti_header
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct
from opticstream.imaging.psoct import (
    FieldReconstruction,
    SpectralFormat,
    SpectralTile,
    check_spectral_tile,
    load_calibration,
    load_dispersion,
    warm_kernels,
)
from opticstream.imaging.psoct.spectral_reference import reference_fields

emit = partial(result, "oct_spectral")
measured = partial(run, __file__)

_AGAINST = "the formulae in plain float64 NumPy"
_COMPARED_BLINES = 50
_SIMULATED_BLINES = 5


def config(tile: Path) -> PSOCTScanConfig:
    """Return the configuration of a project with one such tile per batch; calibration lies beside it."""
    samples = map_nifti(tile).shape[2]
    acquisition = OCTAcquisition(tile_saving_type="spectral", spectral_layout="aline_fastest", spectral_samples=samples)
    processing = OCTProcessing(
        calibration_file=tile.with_name("calibration.mat"), disp_comp_file=tile.with_name("dispersion.dat")
    )
    base = load_settings().home / "products"
    return PSOCTScanConfig(project_name="bench", project_base_path=base, acquisition=acquisition, processing=processing)


def streamed(tile: Path) -> None:
    """Turn the spectra of a tile into fields, a B-line at a time."""
    samples = map_nifti(tile).shape[2]
    calibration = load_calibration(tile.with_name("calibration.mat"), samples)
    reconstruction = FieldReconstruction(calibration, samples, load_dispersion(tile.with_name("dispersion.dat")))
    with SpectralTile(check_spectral_tile(tile, SpectralFormat("aline_fastest", samples))) as spectra:
        scratch = reconstruction.scratch(spectra.info.alines)
        fields = np.empty((reconstruction.depth, 4 * spectra.info.alines), np.float32)
        for bline in range(spectra.info.blines):
            reconstruction.fields(spectra.read(bline), fields, scratch)


def whole_array(tile: Path) -> object:
    spectra = map_nifti(tile)
    calibration = load_calibration(tile.with_name("calibration.mat"), spectra.shape[2])
    return reference_fields(spectra, calibration, load_dispersion(tile.with_name("dispersion.dat")))


def one(what: str, tile: Path) -> dict[str, float]:
    """Measure one thing in this process, after imports and warm-up."""
    warm_kernels(load_settings().kernels)
    measures: dict[str, Callable[[], dict[str, float]]] = {
        "fields": lambda: speed(lambda: streamed(tile)),
        "NumPy": lambda: speed(lambda: whole_array(tile)),
        "memory of fields": lambda: memory(lambda: streamed(tile)),
        "memory of NumPy": lambda: memory(lambda: whole_array(tile)),
        "flow": lambda: through_flow([tile], config(tile)),
    }
    return measures[what]()


def longer(tile: Path, blines: int) -> Path:
    """Write a tile that repeats the B-lines of another one."""
    spectra = map_nifti(tile)
    path = tile.with_name(f"mosaic_001_image_0001_spectral_{blines}.nii")
    shape = (*spectra.shape[:0:-1], blines)
    with path.open("wb") as handle:
        handle.write(nifti_header(shape, (1.0, 1.0, 1.0), "spectra", dtype="<u2"))
        for bline in range(blines):
            handle.write(spectra[bline % len(spectra)].tobytes())
    return path


def main(shape: tuple[int, int, int], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name)
        nx, ny, nz = shape
        spec = SimulationSpec(kind="spectral", batches=1, tiles_per_batch=1, shape=(nx, _SIMULATED_BLINES, nz))
        (tile,) = simulate_oct(folder, spec)
        part, full = longer(tile, min(ny, _COMPARED_BLINES)), longer(tile, ny)
        compare(folder, part, rounds)
        whole(folder, full, rounds)


def case_of(tile: Path) -> tuple[str, float]:
    blines, _, samples, alines = map_nifti(tile).shape
    megabytes = tile.stat().st_size / 1e6
    return f"{alines}x{blines}, {samples} samples, {megabytes:.0f} MB", megabytes


def compare(folder: Path, tile: Path, rounds: int) -> None:
    """Compare spectra to fields with the formulae."""
    case, megabytes = case_of(tile)
    names = "fields", "NumPy"
    turns = [{what: measured(what, folder, [tile]) for what in names} for _ in range(rounds)]
    own, plain = ([megabytes / turn[what]["cpu"] for turn in turns] for what in names)
    ratio = statistics.median(a / b for a, b in zip(own, plain, strict=True))
    emit(case, "fields, speed", round(statistics.median(own), 1), "MB/CPU-s", ratio=ratio, against=_AGAINST)
    user = [statistics.median(megabytes / turn[what]["user"] for turn in turns) for what in names]
    without = "fields, speed without system time"
    emit(case, without, round(user[0], 1), "MB/CPU-s", ratio=user[0] / user[1], against=_AGAINST)
    emit(case, "NumPy, speed", round(statistics.median(plain), 1), "MB/CPU-s")
    if not STATUS.exists():
        print("Memory is not measured: this system has no /proc/self/status.", file=sys.stderr)
        return
    peaks = [measured(f"memory of {what}", folder, [tile])["peak"] / 1e6 for what in names]
    metric = "peak anonymous memory"
    emit(case, f"fields, {metric}", round(peaks[0], 1), "MB", ratio=peaks[0] / peaks[1], against=_AGAINST)
    emit(case, f"NumPy, {metric}", round(peaks[1], 1), "MB")


def whole(folder: Path, tile: Path, rounds: int) -> None:
    """Measure a tile of full size through the flow's task."""
    if not STATUS.exists():
        return
    case, megabytes = case_of(tile)
    runs = [measured("flow", folder, [tile]) for _ in range(rounds)]
    emit(case, "process_tile, peak anonymous memory", round(max(one["peak"] for one in runs) / 1e6, 1), "MB")
    emit(case, "process_tile", round(statistics.median(megabytes / one["wall"] for one in runs), 1), "MB/s")
    emit(case, "process_tile, CPU", round(statistics.median(megabytes / one["cpu"] for one in runs), 1), "MB/CPU-s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], Path(sys.argv[3]))))
    elif "--small" in sys.argv[1:]:
        main((128, 60, 1000), rounds=3)
    else:
        main((350, 350, 1000), rounds=3)
