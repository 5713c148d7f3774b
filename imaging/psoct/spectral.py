"""Spectra in, complex fields out: one B-line at a time, in single precision."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from opticstream.core.scan_config import SpectralWindow
from opticstream.imaging.psoct.calibration import Calibration, Vector

FIRST_BIN = 24
"""Bins dropped at the shallow end, where the rest of the background is."""

_STRIP = 64  # wavenumbers worked on at once: with some hundred A-lines they stay in the L2 cache


def window_of(window: SpectralWindow, samples: int) -> Vector:
    """Return the weight of each wavenumber; ``hann`` is periodic, as for transforms."""
    if window == "none":
        return np.ones(samples)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples))


@dataclass(frozen=True, slots=True)
class Resampling:
    """Where each point of the even wavenumber grid lies between two pixels of a channel."""

    below: NDArray[np.intp]
    """Stored pixel on one side, (2, samples)."""
    above: NDArray[np.intp]
    """Stored pixel on the other side, (2, samples)."""
    weight: NDArray[np.float32]
    """Share of ``above``, 0 to 1, (2, samples)."""


def resampling_of(calibration: Calibration, samples: int) -> Resampling:
    """Return the linear interpolation to a grid even in k, ascending, over what both channels see.

    Channel 2 is stored from its other end; the pixels returned are those of the file.
    """
    wavenumbers = calibration.wavenumbers(samples)
    grid = np.linspace(wavenumbers.min(axis=1).max(), wavenumbers.max(axis=1).min(), samples)
    below = np.empty((2, samples), np.intp)
    above = np.empty((2, samples), np.intp)
    weight = np.empty((2, samples), np.float32)
    for channel, k in enumerate(wavenumbers):
        order = np.argsort(k)
        low = np.clip(np.searchsorted(k[order], grid, side="right") - 1, 0, samples - 2)
        first, second = order[low], order[low + 1]
        weight[channel] = np.clip((grid - k[first]) / (k[second] - k[first]), 0, 1)
        stored = np.arange(samples) if channel == 0 else np.arange(samples)[::-1]
        below[channel], above[channel] = stored[first], stored[second]
    return Resampling(below, above, weight)


class FieldReconstruction:
    """Turns the spectra of a B-line into the fields of both channels.

    Each spectrum is resampled to even wavenumbers, freed of the median over the A-lines, turned by the dispersion's
    phase and Fourier transformed; the fields are the conjugates of bins 24 to half the samples. Subtracting the mean
    over the A-lines first, as the formulae do, changes nothing: resampling takes a constant over the A-lines to
    another one, which the median takes away.

    Instances are not changed by use; any number of threads may share one.

    Args:
        calibration: wavelengths of the pixels.
        samples: pixels of a spectrum.
        dispersion: phases in radians, evenly over the wavenumbers; any number of them.
        window: weights of the wavenumbers.
    """

    def __init__(
        self,
        calibration: Calibration,
        samples: int,
        dispersion: Vector | None = None,
        window: SpectralWindow = "none",
    ) -> None:
        self.samples = samples
        self._resampling = resampling_of(calibration, samples)
        factor = window_of(window, samples) + 0j
        if dispersion is not None:
            factor *= np.exp(-1j * stretched(dispersion, samples))
        self._factor = factor.astype(np.complex64)[:, None]

    @property
    def depth(self) -> int:
        """Samples along depth that come out."""
        return self.samples // 2 - FIRST_BIN

    def scratch(self, alines: int) -> NDArray[np.complex64]:
        """Return the working memory of one :meth:`fields` call, to be used again."""
        return np.empty((self.samples, alines), np.complex64)

    def fields(
        self, spectra: NDArray[np.uint16], out: NDArray[np.float32], scratch: NDArray[np.complex64], workers: int = 1
    ) -> None:
        """Reconstruct one B-line.

        Args:
            spectra: (2, samples, A-lines) uint16, as stored.
            out: receives J1 re, J1 im, J2 re, J2 im along the last axis, deepest sample first, (depth, 4·A-lines).
            scratch: what :meth:`scratch` gave.
            workers: threads of the transforms.
        """
        alines = spectra.shape[2]
        for channel in range(2):
            self._prepare(channel, spectra[channel], scratch)
            bins: Any = scipy.fft.fft(scratch, axis=0, overwrite_x=True, workers=workers)
            field = bins[FIRST_BIN : self.samples // 2][::-1]
            first = 2 * channel * alines
            out[:, first : first + alines] = field.real
            np.negative(field.imag, out=out[:, first + alines : first + 2 * alines])

    def _prepare(self, channel: int, stored: NDArray[np.uint16], out: NDArray[np.complex64]) -> None:
        resampling, alines = self._resampling, stored.shape[1]
        middle = alines // 2
        for start in range(0, self.samples, _STRIP):
            part = slice(start, start + _STRIP)
            share = resampling.weight[channel, part, None]
            even = stored[resampling.below[channel, part]] * (1 - share)
            even += stored[resampling.above[channel, part]] * share
            ordered = np.sort(even, axis=1)
            even -= 0.5 * (ordered[:, (alines - 1) // 2, None] + ordered[:, middle, None])
            np.multiply(even, self._factor[part], out=out[part])


def stretched(phases: Vector, samples: int) -> Vector:
    """Return phases resampled linearly to another number, both ends kept."""
    return np.asarray(np.interp(np.linspace(0, 1, samples), np.linspace(0, 1, len(phases)), phases), np.float64)
