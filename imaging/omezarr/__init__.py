"""OME-Zarr: a volume that comes slab by slab goes to disk at every resolution. Importing this does not import numba."""

from opticstream.imaging.omezarr.levels import SLAB_BYTES, Level, plan_levels, slab_width
from opticstream.imaging.omezarr.metadata import commit_mark, group_files
from opticstream.imaging.omezarr.pyramid_writer import CpuClock, PyramidWriter, SlabSource
from opticstream.imaging.omezarr.tree import TreeWriter
from opticstream.imaging.omezarr.volume_slab import VolumeSlab

__all__ = [
    "SLAB_BYTES",
    "CpuClock",
    "Level",
    "PyramidWriter",
    "SlabSource",
    "TreeWriter",
    "VolumeSlab",
    "commit_mark",
    "group_files",
    "plan_levels",
    "slab_width",
]
