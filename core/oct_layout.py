"""The arithmetic of an OCT project: which slice a mosaic is in, how many batches it has, where products go.

Source mosaics are what the microscope counts in file names; logical mosaics are what the project counts after
``slice_offset`` (a second session of one brain starts its file names at 1 again).
"""

from pathlib import Path
from typing import Literal

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import BatchId, MosaicId

Illumination = Literal["normal", "tilted", "tiltPos", "tiltNeg"]
VOLUME_MODALITIES = ("dBI", "R3D", "O3D")
ENFACE_MODALITIES = ("aip", "mip", "ret", "ori", "biref", "surf")


def slice_of_mosaic(mosaic: int, mosaics_per_slice: int) -> int:
    """Return the slice (from 1) of a mosaic (from 1)."""
    return (mosaic - 1) // mosaics_per_slice + 1


def illumination(mosaic: int, mosaics_per_slice: int) -> Illumination:
    """Return the acquisition label of a mosaic by its position within its slice."""
    position = (mosaic - 1) % mosaics_per_slice
    if mosaics_per_slice == 3:
        return ("normal", "tiltPos", "tiltNeg")[position]
    return ("normal", "tilted")[position]


def logical_mosaic(source_mosaic: int, mosaics_per_slice: int, slice_offset: int) -> int:
    """Return the project's mosaic number for a source mosaic.

    Raises:
        BadInput: the offset moves it before slice 1.
    """
    mosaic = source_mosaic + mosaics_per_slice * slice_offset
    if mosaic < 1:
        raise BadInput(
            "--slice-offset",
            found=f"{slice_offset} for source mosaic {source_mosaic}",
            expected="an offset that keeps every slice at 1 or above",
            action="Change --slice-offset or the mosaic ranges.",
        )
    return mosaic


def batch_of_tile(tile: int, grid_size_y: int) -> int:
    """Return the batch (from 1) of a tile (from 1)."""
    return (tile - 1) // grid_size_y + 1


def tiles_of_batch(batch: int, grid_size_y: int) -> range:
    """Return the tile numbers of a batch."""
    return range((batch - 1) * grid_size_y + 1, batch * grid_size_y + 1)


def batch_id(project: str, mosaic: int, batch: int, mosaics_per_slice: int) -> BatchId:
    """Return the identifier of a batch of a logical mosaic."""
    return BatchId(project=project, slice=slice_of_mosaic(mosaic, mosaics_per_slice), mosaic=mosaic, batch=batch)


def product_path(base: Path, mosaic: MosaicId, tile: int, modality: str) -> Path:
    """Return where one tile's product goes: ``{base}/slice-01/processed/mosaic_001_image_0001_dBI.nii``."""
    name = f"mosaic_{mosaic.mosaic:03d}_image_{tile:04d}_{modality}.nii"
    return base / f"slice-{mosaic.slice:02d}" / "processed" / name


def complex_path(base: Path, mosaic: MosaicId, tile: int) -> Path:
    """Return where a complex tile reconstructed from spectra goes: ``{base}/slice-01/complex/…_complex.nii``."""
    name = f"mosaic_{mosaic.mosaic:03d}_image_{tile:04d}_complex.nii"
    return base / f"slice-{mosaic.slice:02d}" / "complex" / name


def contact_sheet_path(base: Path, batch: BatchId) -> Path:
    """Return where a batch's contact sheet goes."""
    name = f"mosaic_{batch.mosaic:03d}_batch_{batch.batch:03d}_contact.png"
    return base / f"slice-{batch.slice:02d}" / "processed" / name
