"""A complex tile in, volumes and enface maps out."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.core.oct_layout import ENFACE_MODALITIES, VOLUME_MODALITIES
from opticstream.imaging.kernel_cache import numba_usable, use_kernel_cache
from opticstream.imaging.nifti import check_complex_tile, map_nifti
from opticstream.imaging.psoct.options import TileOptions
from opticstream.imaging.psoct.reference import reference_rows
from opticstream.imaging.psoct.surface_filter import gaussian_weights

Backend = Literal["auto", "numba", "numpy"]
RowWork = Callable[[int, int], None]

_ROWS = 8  # B-lines per piece of work: short enough to stop soon, long enough to be worth a call


@dataclass(frozen=True, slots=True)
class TileProducts:
    """What a tile gives."""

    volumes: dict[str, NDArray[np.float32]]
    """``dBI`` in dB, ``R3D`` in degrees (0 to 90), ``O3D`` in degrees (-90 to 90]; each (nz, ny, nx)."""
    enface: dict[str, NDArray[np.float32]]
    """``aip`` and ``mip`` in dB, ``ret`` and ``ori`` in degrees, ``biref`` without unit, ``surf`` in samples; (ny, nx)."""


def warm_kernels(folder: Path) -> float:
    """Compile the kernels, or load them from the cache; return the seconds it took."""
    use_kernel_cache(folder)
    began = time.monotonic()
    if numba_usable():
        process_complex_tile(np.zeros((4, 1, 4), np.float32), TileOptions(), backend="numba")
    return time.monotonic() - began


def process_complex_tile(
    tile: Path | NDArray[np.float32],
    options: TileOptions,
    *,
    threads: int = 1,
    backend: Backend = "auto",
    check: Callable[[], None] | None = None,
) -> TileProducts:
    """Process one complex tile; the raw samples are read once.

    Args:
        tile: a complex tile's file, or its samples in memory order, (nz, ny, 4·nx) float32.
        options: the parameters.
        threads: how many blocks are worked on at once.
        backend: ``numba``, ``numpy`` (slow, same results), or ``auto``: numba where it can be used.
        check: called between blocks; what it raises ends the work.

    Raises:
        BadFile: the file is not a whole complex tile.
        BadInput: the samples do not have the shape of one.
    """
    raw: NDArray[np.float32]
    if isinstance(tile, Path):
        nx4, ny, nz = check_complex_tile(tile).shape
        raw = np.asarray(map_nifti(tile)).reshape(nz, ny, nx4)
    else:
        if tile.ndim != 3 or tile.shape[2] % 4 or not tile.size:
            raise BadInput("tile", found=f"shape {tile.shape}", expected="(nz, ny, 4·nx), none of them 0")
        raw = tile
    raw = np.ascontiguousarray(raw, dtype=np.float32)  # a copy only of files in foreign byte order
    nz, ny, nx = raw.shape[0], raw.shape[1], raw.shape[2] // 4
    volumes = [np.empty((nz, ny, nx), np.float32) for _ in VOLUME_MODALITIES]
    maps = np.empty((len(ENFACE_MODALITIES), ny, nx), np.float32)
    run_pieces(row_work(raw, options, volumes, maps, backend), ny, threads=threads, check=check)
    return TileProducts(
        dict(zip(VOLUME_MODALITIES, volumes, strict=True)), dict(zip(ENFACE_MODALITIES, maps, strict=True))
    )


def run_pieces(
    work: RowWork, rows: int, *, piece_rows: int = _ROWS, threads: int, check: Callable[[], None] | None
) -> None:
    """Call ``work(start, stop)`` for pieces of ``rows``, on threads; the first error ends it and is raised.

    Args:
        work: called for each piece, from any thread.
        rows: how many rows there are.
        piece_rows: rows of a piece; the last may be shorter.
        threads: pieces in work at once.
        check: called before each piece; what it raises ends the work.
    """

    def piece(start: int) -> None:
        if check is not None:
            check()
        work(start, min(start + piece_rows, rows))

    starts = range(0, rows, piece_rows)
    if threads <= 1:
        for start in starts:
            piece(start)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="opticstream-tile") as pool:
        futures = [pool.submit(piece, start) for start in starts]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def row_work(raw: Any, options: TileOptions, volumes: list[Any], maps: Any, backend: Backend) -> RowWork:
    """Return what processes B-lines ``start`` to ``stop`` of ``raw`` into ``volumes`` and ``maps``.

    Args:
        raw: fields, (nz, rows, 4·nx) float32, contiguous; read again at each call.
        options: the parameters.
        volumes: dBI, R3D, O3D; each (nz, rows, nx) float32.
        maps: (6, rows, nx) float32.
        backend: as in :func:`process_complex_tile`.
    """
    use_numba = backend == "numba" or (backend == "auto" and numba_usable())
    return (_kernel_work if use_numba else _numpy_work)(raw, options, volumes, maps)


def _kernel_work(raw: Any, options: TileOptions, volumes: list[Any], maps: Any) -> RowWork:
    from opticstream.imaging.psoct import kernel

    process_rows: Callable[..., None] = kernel.process_rows  # numba's dispatchers have no signature

    frozen = raw.view()
    frozen.flags.writeable = False  # the kernel is compiled for read-only input: maps of files are
    turn = math.radians(2 * options.phase_offset_deg)
    weights = gaussian_weights(options.surface_sigma)
    sign = np.float32(-1 if options.flip_phase else 1)
    turn_re, turn_im = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    slope_unit = options.wavelength_um / 360 / options.voxel_z_um

    def work(start: int, stop: int) -> None:
        process_rows(
            frozen,
            start,
            stop,
            options.flip_z,
            sign,
            turn_re,
            turn_im,
            weights,
            options.enface_offset,
            options.enface_depth,
            slope_unit,
            *volumes,
            maps,
        )

    return work


def _numpy_work(raw: Any, options: TileOptions, volumes: list[Any], maps: Any) -> RowWork:
    def work(start: int, stop: int) -> None:
        made, enface = reference_rows(raw[:, start:stop], options)
        for volume, part in zip(volumes, made, strict=True):
            volume[:, start:stop] = part
        for index, part in enumerate(enface):
            maps[index, start:stop] = part

    return work
