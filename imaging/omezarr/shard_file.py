"""Chunks of one part of an array to disk: a shard of Zarr v3, or chunk files of v2."""

import math
import struct
from collections.abc import Sequence

import google_crc32c

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.omezarr.array_writer import ABSENT, flat_index
from opticstream.imaging.omezarr.tree import TreeWriter

Place = tuple[int, ...]


def write_part(
    tree: TreeWriter,
    path: str,
    grid: Place,
    chunks: Sequence[tuple[Place, bytes]],
    options: ZarrOptions,
) -> None:
    """Write the chunks of one shard, whole or not at all.

    Args:
        tree: where the files go.
        path: the array's folder.
        grid: chunks of a shard on each axis.
        chunks: (indices in the array, compressed) of all chunks that the array has in this shard.
        options: ``ome_version``: 0.5 makes a shard, 0.4 a file of each chunk.
    """
    if options.ome_version == "0.4":
        for place, data in chunks:
            tree.write("/".join((path, *map(str, place))), data)
        return
    index = [ABSENT] * (2 * math.prod(grid))
    shard = [at // count for at, count in zip(chunks[0][0], grid, strict=True)]
    with tree.create("/".join((path, "c", *map(str, shard)))) as file:
        for place, data in chunks:
            at = 2 * flat_index(tuple(at % count for at, count in zip(place, grid, strict=True)), grid)
            index[at : at + 2] = file.size, len(data)
            file.append(data)
        packed = struct.pack(f"<{len(index)}Q", *index)
        file.append(packed + struct.pack("<I", google_crc32c.value(packed)))
