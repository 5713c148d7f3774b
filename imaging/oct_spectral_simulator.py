"""The spectrometer of the simulated microscope: fields become the spectra that would be recorded of them."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.core.files import atomic_file
from opticstream.core.scan_config import SpectralLayout, SpectralPacking
from opticstream.imaging.nifti import nifti_header
from opticstream.imaging.psoct.packed12 import LARGEST, pack12

Real = NDArray[np.float64]

CALIBRATION_FILE = "calibration.mat"
DISPERSION_FILE = "dispersion.dat"

_SHALLOW_BINS = 24
"""Bins the reconstruction drops; the shallowest sample is the one after them."""
_TISSUE_INDEX = 1.4
_LINES = 12
"""Spectral lines of the simulated calibration."""
_BACKGROUND = 0.45
"""Brightest background, of full scale."""
_FRINGES = 0.35
"""Four standard deviations of the fringes, of full scale."""


@dataclass(frozen=True)
class SimulatedSpectrometer:
    """Two line cameras with calibration, dispersion and background of their own; channel 2 is mounted the other way.

    The samples of a spectrum are twice (depth + 24): so many give back the depth samples of the fields.
    """

    depth: int
    """Depth samples of the fields."""
    voxel_z_mm: float = 0.0025
    wavelength_um: float = 1.3
    layout: SpectralLayout = "aline_fastest"
    packing: SpectralPacking | None = None
    """12-bit samples without a header; None: NIfTI files of uint16."""

    @property
    def samples(self) -> int:
        """Samples of a spectrum."""
        return 2 * (self.depth + _SHALLOW_BINS)

    @property
    def ending(self) -> str:
        """How the names of spectral tiles end."""
        return f"spectral_cropped_focus.{'raw' if self.packing else 'nii'}"

    @property
    def _full_scale(self) -> int:
        return LARGEST if self.packing else 65535

    @cached_property
    def _lines(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Slope per pixel and value at pixel 0 of both channels' wavelengths, nm."""
        span = math.pi / (_TISSUE_INDEX * self.voxel_z_mm * 1000)  # radians per µm, so that one bin is one voxel
        centre = 2 * math.pi / self.wavelength_um
        shortest, longest = 2000 * math.pi / (centre + span / 2), 2000 * math.pi / (centre - span / 2)
        slope = (longest - shortest) / (self.samples - 1)
        shift = 0.004 * (longest - shortest)
        return (slope, shortest - slope), (slope * 0.995, shortest - slope + shift)

    @cached_property
    def _phase(self) -> tuple[Real, Real]:
        """Position of both channels' pixels on the common grid of even wavenumbers, in its points."""
        pixels = np.arange(1, self.samples + 1)
        first, second = (2 * math.pi / (start + slope * pixels) for slope, start in self._lines)
        low, high = max(first.min(), second.min()), min(first.max(), second.max())
        scale = (self.samples - 1) / (high - low)
        return (first - low) * scale, (second - low) * scale

    def _dispersion_at(self, position: Real) -> Real:
        unit = 2 * position / (self.samples - 1) - 1
        return np.asarray(14 * unit**2 - 5 * unit**3)

    def write_calibration(self, folder: Path) -> None:
        """Write ``calibration.mat`` and ``dispersion.dat``, whole or not at all."""
        from scipy.io import savemat

        wavelengths = np.linspace(*self._wavelength_ends(), _LINES)
        positions = np.stack([(wavelengths - start) / slope for slope, start in self._lines], axis=1)
        with atomic_file(folder / CALIBRATION_FILE) as handle:
            savemat(handle, {"mu": positions, "wave_prime": wavelengths[:, None]})
        with atomic_file(folder / DISPERSION_FILE) as handle:
            handle.write(self._dispersion_at(np.arange(self.samples, dtype=np.float64)).astype("<f8").tobytes())

    def _wavelength_ends(self) -> tuple[float, float]:
        slope, start = self._lines[0]
        return start + slope, start + slope * self.samples

    def spectra(self, volume: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint16]:
        """Return what the cameras record, (B-lines, 2, samples, A-lines) uint16.

        Each A-line of a channel gives the sum over depth of Re J* · exp(i (2π (24 + z) t / samples + φ(t))), with t
        the pixel's place on the grid of even wavenumbers and φ the dispersion, times the light source's spectrum, on
        a background that all A-lines share. The fields J of an A-line are turned by one random phase first, the same
        in both channels: no surface is flat to a fraction of the wavelength, and what all A-lines share would be
        taken for background.

        Args:
            volume: fields as in complex tiles, (depth, B-lines, 4·A-lines) float32, deepest sample first.
            rng: gives the phases.
        """
        depth, ny, nx = volume.shape[0], volume.shape[1], volume.shape[2] // 4
        recorded = np.empty((ny, 2, self.samples, nx), np.uint16)
        bins = _SHALLOW_BINS + np.arange(depth)
        gain = self._gain()
        turned = np.exp(2j * np.pi * rng.random((ny, nx)))
        for channel, position in enumerate(self._phase):
            turns = 2 * np.pi / self.samples * position[:, None] * bins + self._dispersion_at(position)[:, None]
            source = np.exp(-0.5 * ((position / self.samples - 0.5) / 0.3) ** 2)
            waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1) * (gain * source)[:, None]
            pattern = 0.02 * np.cos(np.arange(self.samples) * (1.7 + channel))  # of the pixels
            background = self._full_scale * (_BACKGROUND * (0.4 + 0.6 * source) + pattern)
            blocks = volume[::-1, :, 2 * channel * nx : 2 * (channel + 1) * nx]
            for y in range(ny):
                fields = (blocks[:, y, :nx] + 1j * blocks[:, y, nx:]) * turned[y]
                light = np.rint(waves @ np.concatenate([fields.real, fields.imag]) + background[:, None])
                recorded[y, channel] = np.clip(light, 0, self._full_scale)
        recorded[:, 1] = recorded[:, 1, ::-1].copy()
        return recorded

    def _gain(self) -> float:
        """Return counts per unit of field: the brightest A-lines just fit."""
        # Amplitude 1200 at the surface, speckle of mean square 0.8, falling off over about 67 samples in power.
        deviation = math.sqrt(0.5 * 0.8 * 1200**2 * min(self.depth, 33))
        return _FRINGES * self._full_scale / (4 * deviation)

    def file(
        self, volume: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[bytes, NDArray[np.uint8] | NDArray[np.uint16]]:
        """Return the content of a tile's file: what stands before the samples, and the samples in file order."""
        spectra = self.spectra(volume, rng)
        if self.layout == "sample_fastest":
            spectra = np.ascontiguousarray(spectra.transpose(0, 1, 3, 2))
        if self.packing:
            return b"", pack12(spectra, self.packing)
        header = nifti_header(spectra.shape[::-1], (1.0, 1.0, 1.0), "simulated spectral tile", dtype="<u2")
        return header, spectra.astype("<u2", copy=False)
