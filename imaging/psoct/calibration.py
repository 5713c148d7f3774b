"""The spectrometer's calibration and the dispersion of the optics, from their files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile
from opticstream.imaging.mat_file import read_mat_numbers

Vector = NDArray[np.float64]

_MOST_PHASES = 1 << 20
"""Far more than a spectrometer has pixels; a longer file is something else."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Which wavelength falls on which pixel: a straight line for each channel.

    Pixels count from 1, those of channel 2 from the other end of its spectrum.
    """

    slope: tuple[float, float]
    """Change of the wavelength from pixel to pixel, in the file's unit, for each channel."""
    start: tuple[float, float]
    """Wavelength at pixel 0, in the file's unit."""

    def wavenumbers(self, samples: int) -> Vector:
        """Return k = 2π/λ of each pixel, (2, samples), radians per unit of the calibration's wavelengths."""
        pixels = np.arange(1, samples + 1)
        lines = [slope * pixels + start for slope, start in zip(self.slope, self.start, strict=True)]
        return np.asarray(2 * np.pi / np.stack(lines))


def load_calibration(path: Path, samples: int) -> Calibration:
    """Read a calibration: ``mu``, (N, 2) pixel positions, and ``wave_prime``, the N wavelengths that fall on them.

    Args:
        path: a MATLAB file, version 7 or older.
        samples: pixels of a spectrum, over which the wavelengths must be positive and the channels must overlap.

    Raises:
        BadFile: it cannot be read, lacks a variable, or describes no spectrometer.
    """
    action = "Check processing.calibration_file (--calibration-file)."
    content = read_mat_numbers(path, ("mu", "wave_prime"), action=action)
    positions, wavelengths = content["mu"], content["wave_prime"].ravel()
    if positions.ndim != 2 or positions.shape != (len(wavelengths), 2) or len(wavelengths) < 2:
        raise BadFile(
            str(path),
            found=f"mu of shape {positions.shape} and {len(wavelengths)} values in wave_prime",
            expected="mu (N, 2) and N wavelengths, N at least 2",
        )
    if len(set(wavelengths)) < 2 or any(len(set(column)) < 2 for column in positions.T):
        raise BadFile(str(path), found="positions or wavelengths that are all the same", expected="a line to fit")
    with np.errstate(over="ignore", invalid="ignore"):  # absurd numbers are told below
        lines = [_line(positions[:, channel], wavelengths) for channel in range(2)]
    ends = [sorted((slope + start, slope * samples + start)) for slope, start in lines]
    shortest, longest = max(end[0] for end in ends), min(end[1] for end in ends)
    if not (min(end[0] for end in ends) > 0 and shortest < longest and lines[0][0] * lines[1][0] > 0):
        found = " and ".join(f"{slope + start:.6g} to {slope * samples + start:.6g}" for slope, start in lines)
        raise BadFile(
            str(path),
            found=f"wavelengths {found} on the {samples} pixels of the two channels",
            expected="positive ones that run the same way and overlap, channel 2 counted from its other end",
            action="Check the file and acquisition.spectral_samples.",
        )
    return Calibration((lines[0][0], lines[1][0]), (lines[0][1], lines[1][1]))


def _line(positions: Vector, wavelengths: Vector) -> tuple[float, float]:
    """Return slope and value at 0 of the line of least squares."""
    centred = positions - positions.mean()
    slope = float(centred @ wavelengths / (centred @ centred))
    return slope, float(wavelengths.mean() - slope * positions.mean())


def load_dispersion(path: Path) -> Vector:
    """Read the phases that compensate dispersion: little-endian float64, radians, evenly over the wavenumbers.

    Raises:
        BadFile: it cannot be read, or is no such list.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(8 * _MOST_PHASES + 1)
    except OSError as error:
        raise BadFile(
            str(path),
            found=error.strerror or str(error),
            expected="a file of float64 phases",
            action="Check processing.disp_comp_file (--disp-comp-file).",
        ) from None
    phases = np.frombuffer(data, "<f8") if len(data) % 8 == 0 else np.empty(0)
    if len(phases) < 2 or not np.isfinite(phases).all():
        raise BadFile(
            str(path),
            found=f"{len(data)} bytes" if len(data) <= 8 * _MOST_PHASES else f"more than {_MOST_PHASES} phases",
            expected="two or more finite phases, radians, 8 bytes each (float64)",
        )
    return np.asarray(phases, np.float64)
