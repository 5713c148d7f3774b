"""PS-OCT: complex tiles to volumes and enface maps. Importing this does not import numba."""

from opticstream.imaging.psoct.options import TileOptions
from opticstream.imaging.psoct.tile import TileProducts, process_complex_tile, use_kernel_cache, warm_kernels

__all__ = ["TileOptions", "TileProducts", "process_complex_tile", "use_kernel_cache", "warm_kernels"]
