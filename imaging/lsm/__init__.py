"""Light-sheet strips: raw spool files to OME-Zarr, projection and checksums. Importing this does not import numba."""

from opticstream.imaging.lsm.convert import convert_strip
from opticstream.imaging.lsm.record import ConversionRecord, Ledger, RawFile, read_ledger
from opticstream.imaging.lsm.spool import SpoolFile, SpoolStrip, open_spool
from opticstream.imaging.lsm.spool_metadata import SpoolFormat, read_frame_counts
from opticstream.imaging.lsm.verify import Verification, verify_strip
from opticstream.imaging.lsm.warm import warm_strip_kernels

__all__ = [
    "ConversionRecord",
    "Ledger",
    "RawFile",
    "SpoolFile",
    "SpoolFormat",
    "SpoolStrip",
    "Verification",
    "convert_strip",
    "open_spool",
    "read_frame_counts",
    "read_ledger",
    "verify_strip",
    "warm_strip_kernels",
]
