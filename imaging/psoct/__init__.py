"""PS-OCT: spectra and complex tiles to volumes and enface maps. Importing this does not import numba."""

from opticstream.imaging.kernel_cache import use_kernel_cache
from opticstream.imaging.psoct.calibration import Calibration, load_calibration, load_dispersion
from opticstream.imaging.psoct.options import TileOptions
from opticstream.imaging.psoct.spectral import FieldReconstruction
from opticstream.imaging.psoct.spectral_file import SpectralFormat, SpectralTile, check_spectra_of, check_spectral_tile
from opticstream.imaging.psoct.spectral_tile import process_spectral_tile
from opticstream.imaging.psoct.tile import TileProducts, process_complex_tile, warm_kernels

__all__ = [
    "Calibration",
    "FieldReconstruction",
    "SpectralFormat",
    "SpectralTile",
    "TileOptions",
    "TileProducts",
    "check_spectra_of",
    "check_spectral_tile",
    "load_calibration",
    "load_dispersion",
    "process_complex_tile",
    "process_spectral_tile",
    "use_kernel_cache",
    "warm_kernels",
]
