"""The formulae in plain NumPy: what the kernel must equal, and what runs where numba cannot."""

import warnings

import numpy as np
from numpy.typing import NDArray

from opticstream.imaging.psoct.options import TileOptions
from opticstream.imaging.psoct.surface_filter import gaussian_weights

Volume = NDArray[np.float32]

POWER_FLOOR = 1e-30
"""Power of a sample without signal: -300 dB instead of minus infinity."""


def reference_rows(raw: Volume, options: TileOptions) -> tuple[list[Volume], list[Volume]]:
    """Process whole B-lines.

    Args:
        raw: (nz, ny, 4·nx) float32 in file order: J1 re, J1 im, J2 re, J2 im along the last axis.
        options: the parameters.

    Returns:
        Volumes dBI, R3D, O3D (nz, ny, nx) and maps aip, mip, ret, ori, biref, surf (ny, nx), float32.
    """
    nx = raw.shape[2] // 4
    blocks = [np.nan_to_num(raw[..., index * nx : (index + 1) * nx], posinf=0, neginf=0) for index in range(4)]
    if options.flip_z:
        blocks = [block[::-1] for block in blocks]
    j1 = blocks[0] + 1j * blocks[1]
    j2 = blocks[2] + 1j * blocks[3]
    power = np.abs(j1) ** 2 + np.abs(j2) ** 2
    dbi = (10 * np.log10(np.maximum(power, POWER_FLOOR))).astype(np.float32)
    r3d = np.degrees(np.arctan2(np.abs(j1), np.abs(j2))).astype(np.float32)
    difference = np.angle(j1) - np.angle(j2)
    phase = (-difference if options.flip_phase else difference) + np.radians(2 * options.phase_offset_deg)
    phase = np.pi - np.mod(np.pi - phase, 2 * np.pi)  # into (-180°, 180°]
    o3d = np.degrees(phase / 2).astype(np.float32)
    surface = np.argmax(steepness(dbi, options), axis=0)
    return [dbi, r3d, o3d], enface_maps(dbi, r3d, o3d, surface, options)


def steepness(dbi: Volume, options: TileOptions) -> Volume:
    """Return how fast the smoothed profile rises at each sample, dB per sample, (nz, ny, nx).

    Source: gradient of the Gaussian-smoothed A-line, as the laboratory's Python port does it.
    """
    weights = gaussian_weights(options.surface_sigma)
    radius, depth = len(weights) // 2, dbi.shape[0]
    index = np.arange(-radius, depth + radius) % (2 * depth)
    index = np.where(index < depth, index, 2 * depth - 1 - index)  # mirrored at both ends
    padded = dbi[index]
    smooth = np.zeros_like(dbi)
    for offset, weight in enumerate(weights):
        smooth += weight * padded[offset : offset + depth]
    return np.asarray(np.gradient(smooth, axis=0) if depth > 1 else smooth, np.float32)


def enface_maps(
    dbi: Volume, r3d: Volume, o3d: Volume, surface: NDArray[np.int64], options: TileOptions
) -> list[Volume]:
    """Return aip, mip, ret, ori, biref and surf over the window below the surface; NaN where it is empty."""
    depth = np.arange(dbi.shape[0])[:, None, None]
    first = surface + options.enface_offset
    inside = (depth >= first) & (depth < first + options.enface_depth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows without a sample give NaN, as documented
        aip = np.nanmean(np.where(inside, dbi, np.nan), axis=0)
        mip = np.nanmax(np.where(inside, dbi, np.nan), axis=0)
        ret = np.nanmean(np.where(inside, r3d, np.nan), axis=0)
        twice = np.radians(2.0 * o3d)
        sine, cosine = (np.sum(np.where(inside, part, 0), axis=0) for part in (np.sin(twice), np.cos(twice)))
        ori = np.where(inside.any(axis=0), np.degrees(0.5 * np.arctan2(sine, cosine)), np.nan)
        biref = _slope(r3d, np.asarray(depth * options.voxel_z_um, np.float64), inside) * options.wavelength_um / 360
    return [value.astype(np.float32) for value in (aip, mip, ret, ori, biref, surface)]


def _slope(values: Volume, depth_um: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the least-squares slope of the values inside the window against depth, per µm."""
    count = inside.sum(axis=0)
    mean = np.where(inside, depth_um, 0).sum(axis=0) / count
    centred = np.where(inside, depth_um - mean, 0)
    return np.asarray((centred * values).sum(axis=0) / (centred**2).sum(axis=0), np.float64)
