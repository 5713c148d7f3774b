"""A slab of a volume that is in memory already."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from opticstream.imaging.omezarr.chunk_place import ChunkPlace, HalfTarget, Pixels
from opticstream.imaging.omezarr.halving import halve_chunk


class VolumeSlab:
    """Source for :class:`PyramidWriter` from an array.

    Args:
        voxels: (z, y, frames); as thick along x as a chunk, the last slab perhaps thinner. It must not be changed
            before the writer has been closed or has returned from taking the slab after the next.
    """

    def __init__(self, voxels: NDArray[Any]) -> None:
        self._voxels = voxels
        self.frames = voxels.shape[2]

    def fill(self, place: ChunkPlace, chunk: Pixels, half: HalfTarget) -> object:
        """Copy a chunk's voxels and halve them."""
        rows = slice(place.row, place.row + place.rows)
        columns = slice(place.column, place.column + place.columns)
        chunk.reshape(place.chunk)[: place.rows, : place.columns, : place.frames] = self._voxels[rows, columns]
        halve_chunk(chunk, place, half)
        return None

    def filled(self, results: Sequence[tuple[ChunkPlace, Any]]) -> None:
        """Let go of the array."""
        del self._voxels
