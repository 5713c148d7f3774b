"""Spectra to fields by the formulae in double precision: what the streaming reconstruction must equal."""

import numpy as np
from numpy.typing import NDArray

from opticstream.core.scan_config import SpectralWindow
from opticstream.imaging.psoct.calibration import Calibration, Vector
from opticstream.imaging.psoct.spectral import FIRST_BIN, stretched, window_of


def reference_fields(
    spectra: NDArray[np.uint16],
    calibration: Calibration,
    dispersion: Vector | None = None,
    window: SpectralWindow = "none",
) -> NDArray[np.float32]:
    """Return the complex tile of spectra on whole arrays.

    Args:
        spectra: (B-lines, 2, samples, A-lines), as stored: channel 2 from its other end.
        calibration: wavelengths of the pixels.
        dispersion: phases in radians, evenly over the wavenumbers.
        window: weights of the wavenumbers.

    Returns:
        (depth, B-lines, 4·A-lines) float32, deepest sample first: J1 re, J1 im, J2 re, J2 im along the last axis.
    """
    samples = spectra.shape[2]
    wavenumbers = calibration.wavenumbers(samples)
    grid = np.linspace(wavenumbers.min(axis=1).max(), wavenumbers.max(axis=1).min(), samples)
    phases = np.zeros(samples) if dispersion is None else stretched(dispersion, samples)
    factor = (window_of(window, samples) * np.exp(-1j * phases))[:, None]
    parts = []
    for channel, k in enumerate(wavenumbers):
        values = spectra[:, channel].astype(np.float64)
        if channel == 1:
            values = values[:, ::-1]
        values = values - values.mean(axis=2, keepdims=True)
        if k[0] > k[-1]:
            k, values = k[::-1], values[:, ::-1]
        low = np.clip(np.searchsorted(k, grid, side="right") - 1, 0, samples - 2)
        share = ((grid - k[low]) / (k[low + 1] - k[low]))[:, None]
        even = values[:, low] * (1 - share) + values[:, low + 1] * share
        even = even - np.median(even, axis=2, keepdims=True)
        field = np.fft.fft(even * factor, axis=1)[:, FIRST_BIN : samples // 2]
        parts += [field.real, -field.imag]
    return np.concatenate(parts, axis=2)[:, ::-1].transpose(1, 0, 2).astype(np.float32)
