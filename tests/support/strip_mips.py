"""Projections of simulated strips, without the spool files."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from opticstream.imaging.lsm_camera import SimulatedCamera
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_truth import LSMTruth


def strip_images(spec: LSMSimulationSpec) -> list[NDArray[np.uint16]]:
    """Return the images of the first channel's strips, (rows, columns, frames)."""
    truth, images = LSMTruth.of(spec), []
    for strip in truth.strips:
        key = (spec.seed, strip.slice, strip.channel, strip.strip)
        camera = SimulatedCamera(truth.sample_of(strip.slice, strip.channel), truth.camera, spec.form, key)
        blocks = camera.spool(0, spec.frames, x=strip.x, y=strip.y, dark_from=spec.frames)
        frames = np.concatenate(list(blocks))[:, : spec.rows]
        images.append(np.ascontiguousarray(frames.view("<u2").transpose(1, 2, 0)))
    return images


def true_positions(spec: LSMSimulationSpec) -> NDArray[np.int64]:
    """Return where the strips begin, (y, x) from the least."""
    places = np.array([(strip.y, strip.x) for strip in LSMTruth.of(spec).strips])
    return places - places.min(axis=0)


def write_mips(folder: Path, images: list[NDArray[np.uint16]]) -> list[Path]:
    """Write the projections along the rows, (columns, frames)."""
    paths = []
    for number, image in enumerate(images, start=1):
        paths.append(folder / f"strip_{number}.tiff")
        tifffile.imwrite(paths[-1], image.max(axis=0))
    return paths
