"""What a simulated light sheet really saw: ``ground_truth.json``, and the noise-free counts it stands for.

The file holds one object: ``format`` (:data:`TRUTH_FORMAT`), ``spec`` (the options of the simulation), ``sample`` and
``camera`` (the parameters of the formulae of :mod:`~opticstream.imaging.lsm_sample` and
:mod:`~opticstream.imaging.lsm_camera`), and ``strips``: per strip its folder, slice, channel, strip number, and the
voxel of the slice at which it begins (``x``: frames, ``y``: camera columns; rows begin at 0).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import write_text
from opticstream.core.validation import problems
from opticstream.imaging.lsm_camera import CameraModel
from opticstream.imaging.lsm_sample import Bounds, Sample, SampleModel, hash64
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec

TRUTH_FILE = "ground_truth.json"
TRUTH_FORMAT = "opticstream-lsm-ground-truth/1"


@dataclass(frozen=True)
class SimulatedStrip:
    """Where one strip lies in its slice."""

    folder: str
    """Name of its folder: ``Run<slice>[_C2][_<strip - 1>]``."""
    slice: int
    channel: int
    strip: int
    x: int
    """Voxel of frame 0."""
    y: int
    """Voxel of camera column 0."""


@dataclass(frozen=True)
class LSMTruth:
    """The ground truth of a simulated session."""

    spec: LSMSimulationSpec
    strips: tuple[SimulatedStrip, ...]
    """In the order of acquisition: both channels of a strip, then the next strip."""
    sample: SampleModel = field(default_factory=SampleModel)
    camera: CameraModel = field(default_factory=CameraModel)
    format: Literal["opticstream-lsm-ground-truth/1"] = "opticstream-lsm-ground-truth/1"

    @classmethod
    def of(cls, spec: LSMSimulationSpec) -> "LSMTruth":
        """Return what a simulation with these options will have seen."""
        strips = []
        for number in range(spec.first_slice, spec.first_slice + spec.slices):
            for strip in range(1, spec.strips + 1):
                off_x, off_y = _jitter(spec, number, strip)
                y = spec.jitter + (strip - 1) * (spec.columns - spec.overlap_px) + off_y
                for channel in range(1, spec.channels + 1):
                    name = f"Run{number}" + ("_C2" if channel == 2 else "") + (f"_{strip - 1}" if strip > 1 else "")
                    strips.append(SimulatedStrip(name, number, channel, strip, spec.jitter + off_x, y))
        return cls(spec, tuple(strips))

    def write(self, out: Path) -> None:
        """Write ``ground_truth.json`` into the folder ``out``, whole or not at all."""
        write_text(out / TRUTH_FILE, _ADAPTER.dump_json(self, indent=2).decode() + "\n")

    @classmethod
    def read(cls, path: Path) -> "LSMTruth":
        """Read a ``ground_truth.json``.

        Raises:
            BadFile: it cannot be read, or is no ground truth of this format.
        """
        expected = f"a ground truth of format {TRUTH_FORMAT}"
        try:
            return _ADAPTER.validate_json(path.read_bytes(), strict=False)
        except OSError as error:
            raise BadFile(str(path), found=error.strerror or str(error), expected=expected) from None
        except ValidationError as error:
            raise BadFile(str(path), found=problems(error), expected=expected) from None

    def sample_of(self, slice_number: int, channel: int) -> Sample:
        """Return the tissue of a slice as a channel sees it."""
        if not 1 <= channel <= len(self.sample.channel_gain):
            raise BadInput("channel", found=str(channel), expected=f"1 to {len(self.sample.channel_gain)}")
        return Sample(self.sample, self.spec.seed, slice_number, channel)


_ADAPTER: TypeAdapter[LSMTruth] = TypeAdapter(LSMTruth)


def _jitter(spec: LSMSimulationSpec, slice_number: int, strip: int) -> tuple[int, int]:
    if strip == 1 or not spec.jitter:
        return 0, 0
    width = 2 * spec.jitter + 1
    x, y = (int(hash64(spec.seed, 400 + axis, slice_number, strip)[0] % np.uint64(width)) for axis in (0, 1))
    return x - spec.jitter, y - spec.jitter


def sample_volume(
    truth: LSMTruth, z: Bounds, y: Bounds, x: Bounds, *, slice_number: int | None = None, channel: int = 1
) -> NDArray[np.float32]:
    """Return the noise-free counts of a window of a slice.

    Args:
        truth: from a session's ``ground_truth.json``.
        z: camera rows, first and one after the last.
        y: columns of the slice.
        x: frames of the slice.
        slice_number: None: the session's first.
        channel: 1 or 2.

    Returns:
        (z, y, x) float32, as Mono16 counts, not rounded; any window gives the same values where windows overlap.

    Raises:
        BadInput: a window is empty, or there is no such channel.
    """
    for name, (low, high) in {"z": z, "y": y, "x": x}.items():
        if low >= high:
            raise BadInput(name, found=f"{low} to {high}", expected="at least one voxel")
    number = truth.spec.first_slice if slice_number is None else slice_number
    light = truth.sample_of(number, channel).electrons(x, z, y)
    return np.ascontiguousarray(truth.camera.counts(light).transpose(1, 2, 0))


def strip_volume(truth: LSMTruth, strip: SimulatedStrip) -> NDArray[np.float32]:
    """Return the noise-free counts of a strip, (rows, columns, frames) float32 as in its OME-Zarr."""
    spec = truth.spec
    window: dict[str, Any] = {"slice_number": strip.slice, "channel": strip.channel}
    y, x = (strip.y, strip.y + spec.columns), (strip.x, strip.x + spec.frames)
    return sample_volume(truth, (0, spec.rows), y, x, **window)
