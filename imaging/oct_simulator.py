"""A simulated PS-OCT microscope: tiles of tissue whose surface, retardance and orientation are known."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.core.files import atomic_file, sync_file, write_text, writing
from opticstream.core.scan_config import SpectralLayout, SpectralPacking
from opticstream.imaging.nifti import NIFTI_LONGEST, nifti_header, write_little_by_little
from opticstream.imaging.oct_spectral_simulator import SimulatedSpectrometer

Map = NDArray[np.float64]
Kind = Literal["complex", "spectral", "spectral_12bit", "complex_with_spectral"]

TRUTH_WINDOW = 70
"""Samples below the surface over which the ground truth's mean retardance is taken: the default enface depth."""


@dataclass(frozen=True)
class SimulationSpec:
    """What is written. The same spec gives the same bytes."""

    mosaics: int = 1
    batches: int = 2
    """Batches (tile columns) per mosaic."""
    tiles_per_batch: int = 3
    shape: tuple[int, int, int] = (64, 64, 128)
    """A-lines, B-lines, depth samples of a tile."""
    kind: str = "complex"
    """What is saved per tile: ``complex``, ``spectral``, ``spectral_12bit`` or ``complex_with_spectral``."""
    spectral_layout: SpectralLayout = "aline_fastest"
    spectral_packing: SpectralPacking = "mono12p"
    seed: int = 0
    interval_s: float = 0.0
    """Seconds between tiles."""
    slow_write: bool = False
    """Write files in pieces under their final names."""
    first_mosaic: int = 1
    voxel_mm: tuple[float, float, float] = (0.01, 0.01, 0.0025)
    wavelength_um: float = 1.3
    phase_offset_deg: float = 100.0
    snr_db: float = 32.0
    """Signal at the surface over the noise of the detector."""
    attenuation_per_mm: float = 6.0

    @property
    def spectrometer(self) -> SimulatedSpectrometer | None:
        """What records spectra; None where only fields are saved."""
        if self.kind == "complex":
            return None
        packing = self.spectral_packing if self.kind == "spectral_12bit" else None
        return SimulatedSpectrometer(self.shape[2], self.voxel_mm[2], self.wavelength_um, self.spectral_layout, packing)


@dataclass(frozen=True)
class Truth:
    """Ground truth of one tile; maps are (ny, nx)."""

    surface: Map
    """Sample of the surface."""
    orientation_deg: Map
    """Optic axis, degrees in (-90, 90]."""
    delta_n: Map
    """Birefringence."""
    retardance_deg: Map
    """Mean retardance over the window below the surface, degrees."""


def simulate_oct(
    out: Path,
    spec: SimulationSpec,
    *,
    on_file: Callable[[Path], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Path]:
    """Write the tiles of a session, and their ground truth in ``ground_truth/``.

    Beside spectra stand ``calibration.mat`` and ``dispersion.dat``, which their reconstruction needs.

    Args:
        out: acquisition folder; created.
        spec: what to write.
        on_file: called after each file.
        stop: ends the session before the next tile.

    Returns:
        The tiles' files; with ``complex_with_spectral`` two for each tile.

    Raises:
        BadInput: the kind, shape or seed cannot be simulated; nothing was written.
        WriteFailed: the disk is full, or the folder may not be written to.
    """
    if spec.kind not in get_args(Kind):
        raise BadInput("--kind", found=repr(spec.kind), expected=", ".join(get_args(Kind)))
    if min(spec.shape) < 1:
        raise BadInput("--shape", found=str(spec.shape), expected="at least 1 in each direction")
    if (longest := _longest_axis(spec)) > NIFTI_LONGEST:
        expected = f"axes of at most {NIFTI_LONGEST} in the file, as NIfTI-1 can say"
        raise BadInput("--shape", found=f"{spec.shape}, an axis of {longest}", expected=expected)
    if spec.seed < 0:
        raise BadInput("--seed", found=str(spec.seed), expected="0 or more")
    with writing(out):
        return _session(out, spec, on_file, stop or threading.Event())


def _longest_axis(spec: SimulationSpec) -> int:
    """Return the longest axis of what is written with a header."""
    nx, ny, nz = spec.shape
    fields = (4 * nx, ny, nz) if spec.kind.startswith("complex") else ()
    spectrometer = spec.spectrometer
    spectra = () if spectrometer is None or spectrometer.packing else (spectrometer.samples, nx, ny)
    longest: int = max((0, *fields, *spectra))
    return longest


def _session(
    out: Path, spec: SimulationSpec, on_file: Callable[[Path], None] | None, stop: threading.Event
) -> list[Path]:
    truth_folder = out / "ground_truth"
    truth_folder.mkdir(parents=True, exist_ok=True)
    write_text(truth_folder / "spec.json", json.dumps(asdict(spec), indent=2) + "\n")
    spectrometer = spec.spectrometer
    if spectrometer is not None:
        spectrometer.write_calibration(out)
    files: list[Path] = []
    for mosaic in range(spec.first_mosaic, spec.first_mosaic + spec.mosaics):
        for tile in range(1, spec.batches * spec.tiles_per_batch + 1):
            if stop.is_set():
                return files
            truth, volume = simulate_tile(spec, mosaic, tile)
            with atomic_file(truth_folder / f"mosaic_{mosaic:03d}_image_{tile:04d}.npz") as handle:
                np.savez(handle, **asdict(truth))
            rng = np.random.default_rng([spec.seed, mosaic, tile, 1])
            for ending, (header, samples) in _contents(spec, spectrometer, volume, rng).items():
                path = out / f"mosaic_{mosaic:03d}_image_{tile:04d}_{ending}"
                _write(path, header, samples, spec)
                files.append(path)
                if on_file is not None:
                    on_file(path)
            stop.wait(spec.interval_s)
    return files


def _contents(
    spec: SimulationSpec,
    spectrometer: SimulatedSpectrometer | None,
    volume: NDArray[np.float32],
    rng: np.random.Generator,
) -> dict[str, tuple[bytes, NDArray[Any]]]:
    """Return the files of one tile: how the name ends → what stands before the samples, and the samples."""
    files: dict[str, tuple[bytes, NDArray[Any]]] = {}
    if spec.kind.startswith("complex"):
        header = nifti_header(volume.shape[::-1], spec.voxel_mm, "simulated complex tile")
        files["processed_cropped_focus.nii"] = header, volume.astype("<f4", copy=False)
    if spectrometer is not None:
        files[spectrometer.ending] = spectrometer.file(volume, rng)
    return files


def _write(path: Path, header: bytes, samples: NDArray[Any], spec: SimulationSpec) -> None:
    if not spec.slow_write:
        with path.open("wb") as handle:
            handle.write(header)
            handle.write(samples.data)
            sync_file(handle)
        return
    pause = max(0.02, spec.interval_s / 6)
    write_little_by_little(path, header + samples.tobytes(), lambda: time.sleep(pause))


def simulate_tile(spec: SimulationSpec, mosaic: int, tile: int) -> tuple[Truth, NDArray[np.float32]]:
    """Return one tile's truth and its samples in file memory order, (nz, ny, 4·nx) float32."""
    nx, ny, nz = spec.shape
    rng = np.random.default_rng([spec.seed, mosaic, tile])
    x, y = _tissue_position(spec, tile)
    tilt = 0.0 if mosaic % 2 else 12.0  # the second illumination sees the axes turned
    scale = 1.6 * max(nx, ny)
    surface = nz * (0.16 + 0.05 * np.sin(2 * np.pi * x / (1.3 * scale)) + 0.04 * np.cos(2 * np.pi * y / scale))
    bands = np.sin(2 * np.pi * (x + 0.6 * y) / (0.55 * scale) + 0.8 * np.sin(2 * np.pi * y / scale))
    orientation = _wrap_axis(55 * bands + 25 * np.cos(2 * np.pi * x / scale) + tilt)
    delta_n = 6.5e-4 + 2.5e-4 * np.tanh(4 * np.sin(2 * np.pi * (0.4 * x - y) / (0.9 * scale)))
    depth = np.arange(nz)[:, None, None] - surface
    retardance = _retardance(np.maximum(depth, 0) * spec.voxel_mm[2] * 1000, delta_n, spec.wavelength_um)
    window = (depth >= 0) & (depth < TRUTH_WINDOW)
    mean = np.where(window, retardance, 0).sum(axis=0) / np.maximum(window.sum(axis=0), 1)
    volume = _fields(spec, rng, depth, retardance, orientation, delta_n)
    return Truth(surface, orientation, delta_n, mean), volume


def _tissue_position(spec: SimulationSpec, tile: int) -> tuple[Map, Map]:
    """Return where each A-line of a tile lies in the tissue, in A-lines; neighbouring tiles overlap by a fifth."""
    nx, ny, _ = spec.shape
    column, row = divmod(tile - 1, spec.tiles_per_batch)
    y, x = np.meshgrid(np.arange(ny) + row * 0.8 * ny, np.arange(nx) + column * 0.8 * nx, indexing="ij")
    return x, y


def _wrap_axis(degrees: Map) -> Map:
    return np.asarray(90 - np.mod(90 - degrees, 180))


def _retardance(depth_um: Map, delta_n: Map, wavelength_um: float) -> Map:
    """Return the retardance in degrees, folded into 0 to 90 as the arc tangent of a ratio of amplitudes shows it."""
    turned = np.mod(360 * delta_n * depth_um / wavelength_um, 180)
    return np.asarray(90 - np.abs(90 - turned))


def _fields(
    spec: SimulationSpec, rng: np.random.Generator, depth: Map, retardance: Map, orientation: Map, delta_n: Map
) -> NDArray[np.float32]:
    """Return the four stored components: fields of both channels with speckle and noise, deepest sample first."""
    nz, ny, nx = depth.shape
    tissue = np.where(depth >= 0, np.exp(-spec.attenuation_per_mm * np.maximum(depth, 0) * spec.voxel_mm[2]), 0.0)
    tissue *= 0.8 + 0.4 * (delta_n - delta_n.min()) / max(float(np.ptp(delta_n)), 1e-12)  # myelin scatters more
    tissue = tissue * 1000
    # Partly developed speckle: a constant and a circular Gaussian part.
    speckle = 0.75 + 0.35 * (rng.standard_normal((nz, ny, nx)) + 1j * rng.standard_normal((nz, ny, nx)))
    noise = 1000 * 10 ** (-spec.snr_db / 20) / np.sqrt(2)
    angle = np.radians(retardance)
    phase = np.exp(2j * np.radians(orientation - spec.phase_offset_deg))
    volume = np.empty((nz, ny, 4 * nx), np.float32)
    for index, field in enumerate((np.sin(angle) * phase, np.cos(angle))):
        channel = tissue * speckle * field
        channel += noise * (rng.standard_normal((nz, ny, nx)) + 1j * rng.standard_normal((nz, ny, nx)))
        volume[:, :, 2 * index * nx : (2 * index + 1) * nx] = channel.real[::-1]
        volume[:, :, (2 * index + 1) * nx : (2 * index + 2) * nx] = channel.imag[::-1]
    return volume
