"""The projections of a channel's strips, side by side in one image."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadFile, BadInput
from opticstream.imaging.lsm_blend import PlacedStrip, place_strips, whole_shape
from opticstream.imaging.lsm_registration import (
    MAX_SHIFT_PX,
    PairShift,
    Position,
    nominal_starts,
    register_strips,
)
from opticstream.imaging.tiff_image import open_image, write_image

_BAND_BYTES = 16 << 20
"""Sums of one band of the image; its weights and strips take about as much again."""


@dataclass(frozen=True)
class StitchRecord:
    """What was joined, and where each strip lies in it."""

    positions: tuple[Position, ...]
    """First pixel (y: camera column, x: frame) of each strip, in the order given."""
    shape: tuple[int, int]
    """(camera columns, frames) of the image."""
    dtype: str
    pairs: tuple[PairShift, ...]
    """What was measured; empty without refinement."""

    def as_json(self) -> dict[str, Any]:
        """Return what ``json.dumps`` takes."""
        return asdict(self)


def stitch_mips(
    mips: Sequence[Path],
    out: Path,
    *,
    overlap_percent: float,
    refine: bool = True,
    max_shift_px: int = MAX_SHIFT_PX,
    voxel_size_um: tuple[float, float] = (1.0, 1.0),
    check: Callable[[], None] | None = None,
) -> StitchRecord:
    """Join the maximum intensity projections of a channel's strips.

    Where strips overlap they fade into each other in a straight line; where one covers alone its pixels are unchanged;
    what none covers is 0. Memory is bounded, whatever the size of the image.

    Args:
        mips: TIFF files (camera columns, frames) in the order of the strips; numbers of frames may differ.
        out: file to write, under a temporary name that the caller publishes; it is durable on return.
        overlap_percent: columns that neighbouring strips share, percent of a strip's.
        refine: measure in the overlaps where strips really lie; see
            :func:`~opticstream.imaging.lsm_registration.register_strips`. False: they lie where the overlap says.
        max_shift_px: bound of that measurement, in both directions.
        voxel_size_um: of (camera columns, frames), stored as the image's resolution.
        check: called between pieces of work; what it raises ends it.

    Returns:
        The positions used.

    Raises:
        BadInput: there is no strip, or the overlap is out of bounds.
        BadFile: a projection cannot be read, or is of another type than the first.
        OSError: the disk is full or cannot be written to.
    """
    if not mips:
        raise BadInput("mips", found="no file", expected="at least one strip's projection")
    images = [open_image(path) for path in mips]
    dtype = images[0].dtype.newbyteorder("=")
    for path, image in zip(mips, images, strict=True):
        if image.dtype.newbyteorder("=") != dtype:
            raise BadFile(str(path), found=str(image.dtype), expected=f"{dtype}, as in {mips[0].name}")
    starts = nominal_starts([len(image) for image in images], overlap_percent)
    positions: list[Position] = [(start, 0) for start in starts]
    pairs: list[PairShift] = []
    if refine:
        positions, pairs = register_strips(images, starts, max_shift_px=max_shift_px, check=check)
    strips = place_strips([(image.shape[0], image.shape[1]) for image in images], positions)
    shape = whole_shape(strips)
    write_image(out, shape, dtype, _bands(images, strips, shape, dtype, check), pixel_um=voxel_size_um)
    return StitchRecord(tuple(positions), shape, dtype.name, tuple(pairs))


def _bands(
    images: Sequence[NDArray[Any]],
    strips: Sequence[PlacedStrip],
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    check: Callable[[], None] | None,
) -> Iterator[NDArray[Any]]:
    rows = max(1, _BAND_BYTES // (4 * shape[1]))
    for top in range(0, shape[0], rows):
        if check is not None:
            check()
        band = np.zeros((min(rows, shape[0] - top), shape[1]), np.float32)
        total = np.zeros_like(band)
        for image, strip in zip(images, strips, strict=True):
            first, last = max(top, strip.y), min(top + len(band), strip.y + strip.rows)
            if first >= last:
                continue
            inside = slice(first - strip.y, last - strip.y)
            place = slice(first - top, last - top), slice(strip.x, strip.x + strip.columns)
            weights = strip.weights[inside, None]
            band[place] += weights * image[inside]
            total[place] += weights
        np.divide(band, total, out=band, where=total > 0)
        yield (np.rint(band, out=band) if dtype.kind == "u" else band).astype(dtype)
