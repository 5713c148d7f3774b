"""A simulated light-sheet microscope: strips as its cameras spool them, of tissue that is known.

A strip is a folder of raw spool files, ``acquisitionmetadata.ini`` and ``Spooled files.sifx``; all strips of a slice are
windows of one continuous sample, so their overlaps agree but for noise.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.core.files import atomic_file, write_failed
from opticstream.imaging.lsm.spool import MARKER, METADATA, spool_name
from opticstream.imaging.lsm_camera import SimulatedCamera
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_truth import LSMTruth, SimulatedStrip

INFO_FILE = "info.mat"
_PIECES = 3
"""Pieces in which each block of frames is written by a slow session."""
_SHORTEST_PAUSE_S = 0.02


def simulate_lsm(
    out: Path,
    spec: LSMSimulationSpec,
    *,
    on_file: Callable[[Path], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Path]:
    """Write the strips of a session, and ``ground_truth.json`` beside them; see :func:`simulate_strips`.

    Returns:
        The folders of the strips that were finished.
    """
    return list(simulate_strips(out, spec, on_file=on_file, stop=stop))


def simulate_strips(
    out: Path,
    spec: LSMSimulationSpec,
    *,
    on_file: Callable[[Path], None] | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Path]:
    """Write a session strip by strip, as it is asked for the next one.

    Like a camera it writes under final names; the marker ``Spooled files.sifx`` comes last in each folder. Memory does
    not grow with the number of frames.

    Args:
        out: acquisition folder; created.
        spec: what to write.
        on_file: called after each file of a strip.
        stop: ends the session before the next file; the strip in work stays cut short, as when a camera is stopped.

    Yields:
        Each finished strip's folder.

    Raises:
        BadInput: the spec cannot be simulated, or a strip's folder is there and not empty; nothing was written.
        WriteFailed: the disk is full, or the folder may not be written to.
    """
    spec.check()
    truth = LSMTruth.of(spec)
    stop = stop or threading.Event()
    try:
        _refuse_to_mix(out, truth)
        out.mkdir(parents=True, exist_ok=True)
        truth.write(out)
        if spec.info_file == "project":
            _write_info(out / INFO_FILE, spec)
    except OSError as error:
        raise write_failed(out, error) from error
    for number, strip in enumerate(truth.strips):
        if number:
            stop.wait(spec.interval_s)
        try:
            finished = _write_strip(out, truth, strip, on_file or _ignore, stop)
        except OSError as error:
            raise write_failed(out / strip.folder, error) from error
        if not finished:
            return
        yield out / strip.folder


def _ignore(path: Path) -> None:
    """Do nothing with a file."""


def _refuse_to_mix(out: Path, truth: LSMTruth) -> None:
    for strip in truth.strips:
        folder = out / strip.folder
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BadInput(
                "OUT",
                found=f"{folder}, which is not empty",
                expected="no strip of that name",
                action="Choose another folder, or remove the strip.",
            )


def _write_strip(
    out: Path, truth: LSMTruth, strip: SimulatedStrip, on_file: Callable[[Path], None], stop: threading.Event
) -> bool:
    """Write one strip; return whether it was finished."""
    spec, folder = truth.spec, out / strip.folder
    folder.mkdir(exist_ok=True)
    if spec.info_file == "strip":
        _write_info(out / f"{strip.folder}_{INFO_FILE}", spec)
    camera = SimulatedCamera(
        truth.sample_of(strip.slice, strip.channel),
        truth.camera,
        spec.form,
        (spec.seed, strip.slice, strip.channel, strip.strip),
    )
    pause = max(_SHORTEST_PAUSE_S, spec.interval_s / 6) if spec.slow_write else None
    metadata = folder / METADATA
    metadata.write_bytes(_metadata(spec))
    on_file(metadata)
    for index, first in enumerate(range(0, spec.recorded_frames, spec.frames_per_file)):
        if stop.is_set():
            return False
        count = min(spec.frames_per_file, spec.recorded_frames - first)
        path = folder / spool_name(index)
        with path.open("wb") as handle:
            for block in camera.spool(first, count, x=strip.x, y=strip.y, dark_from=spec.frames):
                _write_block(handle, block, pause, stop)
        on_file(path)
    marker = folder / MARKER
    marker.write_bytes(b"Andor Technology Multi-Channel File\n65538 1\n")
    on_file(marker)
    return True


def _write_block(handle: IO[bytes], block: NDArray[np.uint8], pause: float | None, stop: threading.Event) -> None:
    data = block.reshape(-1).data
    if pause is None:
        handle.write(data)
        return
    size = -(-len(data) // _PIECES)
    for start in range(0, len(data), size):
        handle.write(data[start : start + size])
        handle.flush()
        stop.wait(pause)


def _metadata(spec: LSMSimulationSpec) -> bytes:
    """Return ``acquisitionmetadata.ini``: UTF-8 with a byte order mark, lines that end as on Windows."""
    form = spec.form
    lines = (
        "[data]",
        f"AOIHeight = {form.rows}",
        f"AOIWidth = {form.columns}",
        f"AOIStride = {form.stride}",
        f"PixelEncoding = {form.encoding}",
        f"ImageSizeBytes = {form.nbytes}",
        "",
        "[multiimage]",
        f"ImagesPerFile = {spec.frames_per_file}",
        "",
    )
    return "\r\n".join(lines).encode("utf-8-sig")


def _write_info(path: Path, spec: LSMSimulationSpec) -> None:
    """Write the MATLAB file that tells how many frames there are, and how many of them are dark."""
    from scipy.io import savemat

    camera = {
        "kineticSeriesLength": float(spec.recorded_frames),
        "backgroundFramesNum": float(spec.background_frames),
    }
    with atomic_file(path) as handle:
        savemat(handle, {"info": {"camera": camera}})
