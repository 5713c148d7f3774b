"""The resolution levels of a volume that is written slab by slab, and how each is cut into chunks and shards."""

from dataclasses import dataclass

from opticstream.core.lsm_config import ZarrOptions

SLAB_BYTES = 33 << 20
"""Raw bytes that are taken at once: 32 MiB of image, and the rows that pad it. Larger slabs are not faster."""

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution; axes (z, y, x), slabs follow each other along x."""

    shape: Shape
    """Voxels."""
    chunk: Shape
    """Voxels of a chunk; even on each axis."""
    shard_width: int
    """Voxels of a shard along x; along z and y a shard is as large as the volume."""

    @property
    def grid(self) -> tuple[int, int]:
        """Chunks along z and y."""
        return -(-self.shape[0] // self.chunk[0]), -(-self.shape[1] // self.chunk[1])

    @property
    def shard(self) -> Shape:
        """Voxels of a shard: whole chunks."""
        return self.grid[0] * self.chunk[0], self.grid[1] * self.chunk[1], self.shard_width

    @property
    def slabs(self) -> int:
        """Slabs, one chunk thick, along x."""
        return -(-self.shape[2] // self.chunk[2])


def slab_width(frame_bytes: int, options: ZarrOptions, slab_bytes: int = SLAB_BYTES) -> int:
    """Return how many frames are taken at once: an even divisor of the chunk's edge, at least 2.

    Where that many tall frames do not fit in ``slab_bytes``, chunks are thinner along x, and still as many frames
    share a shard. A cut along rows would keep chunks cubic, but it reads each file in pieces out of order: then no
    checksum and no copy could be made from the one read.
    """
    fitting = [n for n in range(2, options.chunk + 1, 2) if options.chunk % n == 0 and n * frame_bytes <= slab_bytes]
    return max(fitting, default=2)


def plan_levels(shape: Shape, width: int, options: ZarrOptions) -> tuple[Level, ...]:
    """Return the levels, the full one first; each halves the one before, odd lengths rounded up.

    Args:
        shape: voxels (z, y, x).
        width: voxels of a slab along x, as :func:`slab_width` gives.
        options: ``chunk``: longest edge of a chunk; ``pyramid_levels``: how many, 0: until one is within one chunk's
            edges. A level of a single voxel is the last one in any case.
    """
    shapes = [shape]
    while max(shapes[-1]) > 1 and (
        len(shapes) < options.pyramid_levels if options.pyramid_levels else max(shapes[-1]) > options.chunk
    ):
        z, y, x = shapes[-1]
        shapes.append((-(-z // 2), -(-y // 2), -(-x // 2)))
    return tuple(_level(voxels, width, options.chunk) for voxels in shapes)


def _level(shape: Shape, width: int, edge: int) -> Level:
    z, y, x = (min(longest, length + length % 2) for longest, length in zip((edge, edge, width), shape, strict=True))
    return Level(shape, (z, y, x), x * (edge // width) if x == width else x)
