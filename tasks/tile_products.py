"""A tile's volumes under temporary names, from its complex fields or from its spectra."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.imaging.nifti import write_nifti
from opticstream.imaging.nifti_rows import NiftiRowWriter
from opticstream.imaging.psoct import (
    FieldReconstruction,
    SpectralFormat,
    SpectralTile,
    TileOptions,
    check_spectra_of,
    check_spectral_tile,
    load_calibration,
    load_dispersion,
    process_complex_tile,
    process_spectral_tile,
)
from opticstream.imaging.psoct.spectral_tile import COMPLEX, RowSink
from opticstream.tasks.batch_work import BatchWork, Tile

Maps = dict[str, NDArray[np.float32]]


def write_volumes(work: BatchWork, tile: Tile) -> Maps:
    """Read a tile once, write the volumes that the configuration asks for, and return its enface maps.

    Raises:
        BadFile: a file of the tile is not what it should be.
        BadInput: the configuration lacks a field that spectral tiles need.
        ClaimLost: another worker took over.
        WriteFailed: a volume cannot be written.
    """
    return _from_spectra(work, tile) if work.config.acquisition.reconstructs else _from_fields(work, tile)


def _from_fields(work: BatchWork, tile: Tile) -> Maps:
    if tile.spectra is not None:  # nothing is computed from them, but a batch with a broken file is not done
        check_spectra_of(work.config, tile.spectra, work.ident.mosaic)
    options = TileOptions.from_config(work.config.acquisition, work.config.processing)
    products = process_complex_tile(tile.path, options, threads=os.cpu_count() or 1, check=work.check)
    voxel = work.config.acquisition.scan_resolution_3d
    for volume in work.config.volume_modalities:
        with work.writing_product(tile, volume) as path:
            write_nifti(path, products.volumes[volume], voxel, description=volume)
        work.check()
    return products.enface


def _from_spectra(work: BatchWork, tile: Tile) -> Maps:
    config, processing = work.config, work.config.processing
    info = check_spectral_tile(tile.path, SpectralFormat.from_config(config, work.ident.mosaic))
    if processing.calibration_file is None:
        raise BadInput("processing.calibration_file", found="nothing", expected="a .mat file")
    reconstruction = FieldReconstruction(
        load_calibration(processing.calibration_file, info.format.samples),
        info.format.samples,
        None if processing.disp_comp_file is None else load_dispersion(processing.disp_comp_file),
        processing.spectral_window,
    )
    shape = reconstruction.depth, info.blines, info.alines
    voxel = config.acquisition.scan_resolution_3d
    with ExitStack() as stack:
        spectra = stack.enter_context(SpectralTile(info))
        sinks: dict[str, RowSink] = {}
        for name in config.volume_modalities:
            writing = partial(work.writing_product, tile, name)
            sinks[name] = stack.enter_context(_rows_of(writing, shape, voxel, name))
        if processing.save_complex:
            wide = (shape[0], shape[1], 4 * shape[2])
            writing_complex = partial(work.writing_complex, tile)
            sinks[COMPLEX] = stack.enter_context(_rows_of(writing_complex, wide, voxel, "complex tile"))
        return process_spectral_tile(
            spectra,
            reconstruction,
            TileOptions.from_config(config.acquisition, processing),
            sinks,
            threads=os.cpu_count() or 1,
            check=work.check,
        )


@contextmanager
def _rows_of(
    writing: Callable[[], AbstractContextManager[Path]],
    shape: tuple[int, int, int],
    voxel: tuple[float, float, float],
    description: str,
) -> Iterator[RowSink]:
    """Give what takes the rows of one volume; each step that writes names that volume's file when it fails."""
    with writing() as path:
        writer = NiftiRowWriter(path, shape, voxel, description=description)

    def sink(first_row: int, block: NDArray[np.float32]) -> None:
        with writing():
            writer.write(first_row, block)

    try:
        yield sink
        with writing():
            writer.finish()
    finally:
        writer.close()
