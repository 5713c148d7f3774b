"""Weights of the Gaussian that smooths a depth profile before its surface is sought."""

import math

import numpy as np
from numpy.typing import NDArray

_TRUNCATE = 4.0  # standard deviations, as scipy.ndimage.gaussian_filter1d does


def gaussian_weights(sigma: float) -> NDArray[np.float32]:
    """Return the normalised weights of a Gaussian of ``sigma`` samples, odd in number, float32."""
    radius = max(1, math.floor(_TRUNCATE * sigma + 0.5))
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)
