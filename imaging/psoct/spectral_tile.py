"""A spectral tile in, volumes written as they come and enface maps out; the tile is never held whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.core.oct_layout import ENFACE_MODALITIES, VOLUME_MODALITIES
from opticstream.imaging.psoct.options import TileOptions
from opticstream.imaging.psoct.spectral import FieldReconstruction
from opticstream.imaging.psoct.spectral_file import SpectralTile
from opticstream.imaging.psoct.tile import Backend, RowWork, row_work, run_pieces

RowSink = Callable[[int, NDArray[np.float32]], None]
"""Takes rows of a volume: the first row's number, and (nz, rows, nx) float32 that is used again afterwards."""

COMPLEX = "complex"
"""Name of the sink for the complex tile, (nz, rows, 4·nx), deepest sample first."""

MEMORY_LIMIT = 200_000_000
"""Bytes of working memory that all threads share; a B-line of a full tile takes 27 MB, with its spectra."""

_MOST_ROWS = 8  # longer runs in the file, but no faster any more


@dataclass(frozen=True, slots=True)
class _Bench:
    """One thread's working memory: a few B-lines of fields and what becomes of them."""

    fields: NDArray[np.float32]
    volumes: list[NDArray[np.float32]]
    maps: NDArray[np.float32]
    transform: NDArray[np.complex64]
    process: RowWork


def process_spectral_tile(
    tile: SpectralTile,
    reconstruction: FieldReconstruction,
    options: TileOptions,
    sinks: Mapping[str, RowSink],
    *,
    threads: int = 1,
    backend: Backend = "auto",
    check: Callable[[], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Process one spectral tile, a few B-lines at a time; the spectra are read once.

    Args:
        tile: the open tile.
        reconstruction: from its spectra to fields.
        options: from fields to volumes and maps.
        sinks: take the rows of ``dBI``, ``R3D``, ``O3D`` and ``complex``; those without a sink are not kept. They are
            called from several threads, in any order.
        threads: B-lines in work at once; fewer where more would exceed ``MEMORY_LIMIT``.
        backend: as in :func:`process_complex_tile`.
        check: called between B-lines; what it raises ends the work.

    Returns:
        The enface maps by name, (ny, nx) float32.

    Raises:
        BadFile: the file ended early.
        OSError: a sink could not write.
    """
    nz, ny, nx = reconstruction.depth, tile.info.blines, tile.info.alines
    maps = np.empty((len(ENFACE_MODALITIES), ny, nx), np.float32)
    threads, rows = shares(threads, nx, reconstruction.samples)
    rows = min(rows, -(-ny // threads))
    benches: SimpleQueue[_Bench] = SimpleQueue()
    for _ in range(threads):
        benches.put(_bench(reconstruction, options, (nz, rows, nx), backend))

    def work(start: int, stop: int) -> None:
        bench, count = benches.get_nowait(), stop - start
        try:
            for row in range(count):
                reconstruction.fields(tile.read(start + row), bench.fields[:, row], bench.transform)
            bench.process(0, count)
            made = {COMPLEX: bench.fields, **dict(zip(VOLUME_MODALITIES, bench.volumes, strict=True))}
            for name, sink in sinks.items():
                sink(start, made[name][:, :count])
            maps[:, start:stop] = bench.maps[:, :count]
        finally:
            benches.put(bench)

    run_pieces(work, ny, piece_rows=rows, threads=threads, check=check)
    return dict(zip(ENFACE_MODALITIES, maps, strict=True))


def shares(threads: int, alines: int, samples: int) -> tuple[int, int]:
    """Return how many threads work on how many B-lines each, so that ``MEMORY_LIMIT`` holds for all together."""
    row = 4 * (4 + 3) * (samples // 2) * alines  # fields and volumes
    base = (8 + 2 * 4) * samples * alines  # the transform; the spectra, before and after they are unpacked or turned
    threads = min(max(1, threads), max(1, MEMORY_LIMIT // (base + row)))
    return threads, min(_MOST_ROWS, max(1, (MEMORY_LIMIT // threads - base) // row))


def _bench(
    reconstruction: FieldReconstruction, options: TileOptions, shape: tuple[int, int, int], backend: Backend
) -> _Bench:
    nz, rows, nx = shape
    fields = np.empty((nz, rows, 4 * nx), np.float32)
    volumes = [np.empty(shape, np.float32) for _ in VOLUME_MODALITIES]
    maps: NDArray[Any] = np.empty((len(ENFACE_MODALITIES), rows, nx), np.float32)
    process = row_work(fields, options, volumes, maps, backend)
    return _Bench(fields, volumes, maps, reconstruction.scratch(nx), process)
