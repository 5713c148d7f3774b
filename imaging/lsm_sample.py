"""The tissue under the simulated light sheet: smooth background, cells and fibres, defined at every voxel.

Nothing is stored: each structure follows from the seed and its place, so any window of the sample can be computed by
itself, and two windows agree exactly where they overlap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
Bounds = tuple[int, int]
"""First voxel and the one after the last."""

_WHOLE = 2.0**-64


@dataclass(frozen=True)
class SampleModel:
    """What the sample is made of, in photo-electrons per voxel; written into the ground truth."""

    base: float = 16.0
    """Light where there is nothing."""
    octaves: tuple[tuple[int, float], ...] = ((48, 60.0), (12, 20.0))
    """Background: spacing of a lattice of random values, voxels, and what a value of 1 gives."""
    cell_edge: int = 30
    """One cell, or none, in each cube of this edge, voxels."""
    cell_share: float = 0.6
    """Share of the cubes that hold a cell."""
    cell_peak: tuple[float, float] = (60.0, 420.0)
    """Least and most light in the middle of a cell."""
    fibre_edge: int = 44
    fibre_share: float = 0.8
    fibre_peak: tuple[float, float] = (60.0, 260.0)
    channel_gain: tuple[tuple[float, float], ...] = ((1.0, 0.5), (0.35, 1.2))
    """Per channel, how bright its stain makes cells and fibres."""


def hash64(*parts: int | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix whole numbers to 64 random bits, for arrays element by element.

    Source: finalizer of SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014).
    """
    mixed = np.zeros(1, np.uint64)
    for part in parts:
        value = np.asarray([part], np.int64).astype(np.uint64) if isinstance(part, int) else part
        mixed = (mixed ^ value) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def _cells(bounds: Bounds) -> NDArray[np.uint64]:
    return np.arange(*bounds, dtype=np.int64).astype(np.uint64)


class Sample:
    """One slice's tissue as one channel sees it; axes are frames (x), camera rows (z) and camera columns (y).

    Args:
        model: what it is made of.
        seed: of the session.
        slice_number: each slice is other tissue.
        channel: 1 or 2; both see the same structures, with other brightness.
    """

    def __init__(self, model: SampleModel, seed: int, slice_number: int, channel: int) -> None:
        self.model = model
        self._key = int(hash64(seed, slice_number)[0] >> np.uint64(1))
        self._cell_gain, self._fibre_gain = model.channel_gain[channel - 1]

    def electrons(self, x: Bounds, z: Bounds, y: Bounds) -> Volume:
        """Return the expected photo-electrons of a window.

        Args:
            x: frames.
            z: camera rows.
            y: camera columns.

        Returns:
            (frames, rows, columns) float32, the camera's order.
        """
        window = np.empty((x[1] - x[0], z[1] - z[0], y[1] - y[0]), np.float32)
        lattices = [self._lattice(octave, x, z, y) for octave in range(len(self.model.octaves))]
        for index in range(len(window)):
            window[index] = np.float32(self.model.base)
            for (spacing, _), lattice in zip(self.model.octaves, lattices, strict=True):
                _add_plane(window[index], lattice, spacing, x[0] + index, x[0], z, y)
        for corner, stamp, peak in self._structures(x, z, y):
            _draw(window, stamp, peak, (corner[0] - x[0], corner[1] - z[0], corner[2] - y[0]))
        return window

    def _lattice(self, octave: int, *bounds: Bounds) -> Volume:
        """Return the random values around a window, (x, z, y)."""
        spacing, height = self.model.octaves[octave]
        x, z, y = (_cells((low // spacing, (high - 1) // spacing + 2)) for low, high in bounds)
        bits = hash64(self._key, 100 + octave, x[:, None, None], z[None, :, None], y[None, None, :])
        return (bits * (_WHOLE * height)).astype(np.float32)

    def _structures(self, *bounds: Bounds) -> Iterator[tuple[tuple[int, int, int], Volume, np.float32]]:
        """Yield (first voxel, stamp, peak) of the cells and fibres that reach into a window, always in one order."""
        model = self.model
        kinds = (
            (model.cell_edge, model.cell_share, model.cell_peak, self._cell_gain, _cell_stamps(), 200),
            (model.fibre_edge, model.fibre_share, model.fibre_peak, self._fibre_gain, _fibre_stamps(), 300),
        )
        for edge, share, (faint, bright), gain, stamps, kind in kinds:
            reach = max(max(stamp.shape) for stamp in stamps) // 2 + 1
            cubes = [_cells(((low - reach) // edge, (high + reach) // edge + 1)) for low, high in bounds]
            where = np.stack(np.meshgrid(*cubes, indexing="ij"), axis=-1).reshape(-1, 3)
            bits = hash64(self._key, kind, where[:, 0], where[:, 1], where[:, 2])
            where, bits = where[bits * _WHOLE < share], bits[bits * _WHOLE < share]
            which = hash64(1, bits) % np.uint64(len(stamps))
            peaks = (faint + (bright - faint) * (hash64(2, bits) * _WHOLE) ** 2) * gain
            offsets = np.stack([hash64(3 + axis, bits) % np.uint64(edge) for axis in range(3)], axis=-1)
            centres = where.astype(np.int64) * edge + offsets.astype(np.int64)
            half = np.array([[length // 2 for length in stamp.shape] for stamp in stamps])[which.astype(np.intp)]
            first, last = centres - half, centres + half
            low, high = (np.array(ends) for ends in zip(*bounds, strict=True))
            inside = ((last >= low) & (first < high)).all(axis=1)
            for index in np.flatnonzero(inside):
                corner = (int(first[index, 0]), int(first[index, 1]), int(first[index, 2]))
                yield corner, stamps[int(which[index])], np.float32(peaks[index])


@cache
def _cell_stamps() -> list[Volume]:
    """Return the shapes that cells have: ellipsoids with a darker nucleus, 1 at the brightest."""
    rng = np.random.default_rng(2)
    half = 10
    grid = np.stack(np.meshgrid(*(np.arange(-half, half + 1),) * 3, indexing="ij"), axis=-1)
    stamps = []
    for _ in range(24):
        radii = rng.uniform(3.5, 7.5, 3)
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        distance = np.sqrt((((grid @ turn) / radii) ** 2).sum(axis=-1))
        stamps.append(1 / (1 + np.exp((distance - 1) * 7)) * (1 - 0.35 * np.exp(-((distance * 2.5) ** 2))))
    return [_cut_off(stamp) for stamp in stamps]


@cache
def _fibre_stamps() -> list[Volume]:
    """Return the shapes that fibres have: bent pieces, drawn as Gaussian beads along a curve."""
    rng = np.random.default_rng(3)
    half = 26
    stamps = []
    for _ in range(24):
        stamp = np.zeros((2 * half + 1,) * 3)
        direction = rng.standard_normal(3) * (1.0, 0.5, 1.0)
        direction /= np.linalg.norm(direction)
        bend = np.cross(direction, rng.standard_normal(3)) * 5
        width = rng.uniform(1.1, 1.9)
        for t in np.linspace(-1, 1, 81):
            centre = half + 21 * t * direction + (t * t - 0.3) * bend
            low = np.clip(np.floor(centre).astype(int) - 5, 0, 2 * half - 11)
            axes = [np.exp(-0.5 * ((np.arange(12) + low[k] - centre[k]) / width) ** 2) for k in range(3)]
            bead = axes[0][:, None, None] * axes[1][None, :, None] * axes[2][None, None, :] * (1 - t * t) ** 0.25
            part = stamp[tuple(slice(start, start + 12) for start in low)]
            np.maximum(part, bead, out=part)
        stamps.append(_cut_off(stamp))
    return stamps


def _cut_off(stamp: NDArray[np.float64]) -> Volume:
    """Drop what is fainter than a hundredth, and the empty margin, evenly so that the middle stays."""
    stamp = np.where(stamp < 0.01, 0, stamp)
    for axis, length in enumerate(stamp.shape):
        used = np.flatnonzero(stamp.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = min(int(used[0]), length - 1 - int(used[-1]))
        stamp = np.take(stamp, range(margin, length - margin), axis=axis)
    return np.ascontiguousarray(stamp, np.float32)


def _ease(bounds: Bounds, spacing: int) -> Volume:
    """Return how far each position stands between two lattice points, eased so that no crease shows."""
    part = ((np.arange(*bounds) % spacing) / spacing).astype(np.float32)
    return part * part * (3 - 2 * part)


def _add_plane(frame: Volume, lattice: Volume, spacing: int, x: int, x_first: int, z: Bounds, y: Bounds) -> None:
    """Add one frame of an octave: the lattice is blended along x, then y, then z, where it is smallest first."""
    layer = x // spacing - x_first // spacing
    between = _ease((x, x + 1), spacing)[0]
    plane = lattice[layer] + between * (lattice[layer + 1] - lattice[layer])
    column = np.arange(*y) // spacing - y[0] // spacing
    lines = plane[:, column] + _ease(y, spacing) * (plane[:, column + 1] - plane[:, column])
    steps = lines[1:] - lines[:-1]
    ease = _ease(z, spacing)[:, None]
    scratch = np.empty((spacing, frame.shape[1]), np.float32)
    for line in range(len(steps)):
        top = max((z[0] // spacing + line) * spacing, z[0]) - z[0]
        end = min((z[0] // spacing + line + 1) * spacing, z[1]) - z[0]
        part = scratch[: end - top]
        np.multiply(ease[top:end], steps[line], out=part)
        part += lines[line]
        frame[top:end] += part


def _draw(window: Volume, stamp: Volume, peak: np.float32, corner: tuple[int, int, int]) -> None:
    into, out_of = [], []
    for start, length, limit in zip(corner, stamp.shape, window.shape, strict=True):
        into.append(slice(max(start, 0), min(start + length, limit)))
        out_of.append(slice(max(-start, 0), min(length, limit - start)))
    window[tuple(into)] += peak * stamp[tuple(out_of)]
