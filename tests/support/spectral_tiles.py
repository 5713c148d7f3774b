"""Simulated spectral tiles with what their reconstruction needs."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct
from opticstream.imaging.psoct import (
    Calibration,
    FieldReconstruction,
    SpectralFormat,
    SpectralTile,
    TileOptions,
    check_spectral_tile,
    load_calibration,
    load_dispersion,
    process_spectral_tile,
)
from opticstream.imaging.psoct.tile import Backend


@dataclass(frozen=True)
class SpectralCase:
    """One simulated tile."""

    spec: SimulationSpec
    path: Path
    format: SpectralFormat
    calibration: Calibration
    dispersion: NDArray[np.float64]

    @property
    def reconstruction(self) -> FieldReconstruction:
        return FieldReconstruction(self.calibration, self.format.samples, self.dispersion)

    def open(self) -> SpectralTile:
        return SpectralTile(check_spectral_tile(self.path, self.format))

    def spectra(self) -> NDArray[np.uint16]:
        """Return everything in the file, (B-lines, 2, samples, A-lines)."""
        with self.open() as tile:
            return np.stack([tile.read(bline) for bline in range(tile.info.blines)])


def spectral_case(folder: Path, spec: SimulationSpec) -> SpectralCase:
    """Write one tile into ``folder``."""
    path = simulate_oct(folder, spec)[-1]
    spectrometer = spec.spectrometer
    assert spectrometer is not None
    nx, ny, _ = spec.shape
    return SpectralCase(
        spec,
        path,
        SpectralFormat(spec.spectral_layout, spectrometer.samples, spectrometer.packing, (nx, ny)),
        load_calibration(folder / "calibration.mat", spectrometer.samples),
        load_dispersion(folder / "dispersion.dat"),
    )


@dataclass
class Kept:
    """Sinks that keep whole volumes."""

    depth: int
    blines: int
    volumes: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def take(self, name: str, first_row: int, block: NDArray[np.float32]) -> None:
        empty = np.full((self.depth, self.blines, block.shape[2]), np.nan, np.float32)
        whole = self.volumes.setdefault(name, empty)
        whole[:, first_row : first_row + block.shape[1]] = block


def processed(
    case: SpectralCase, *, threads: int = 1, backend: Backend = "auto", options: TileOptions | None = None
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Return the volumes, the complex tile among them, and the enface maps of a tile."""
    kept = Kept(case.reconstruction.depth, case.spec.shape[1])
    sinks = {
        name: (lambda first, block, name=name: kept.take(name, first, block))
        for name in ("dBI", "R3D", "O3D", "complex")
    }
    with case.open() as tile:
        maps = process_spectral_tile(
            tile, case.reconstruction, options or TileOptions(), sinks, threads=threads, backend=backend
        )
    return kept.volumes, maps
