"""The simulated camera: beads whose place is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.bead_image import BeadImage
from opticstream.scope.cameras.bead_frame import BeadFrame
from opticstream.scope.cameras.bead_table import BeadTable
from opticstream.scope.cameras.camera_setting import CameraSetting
from opticstream.scope.cameras.frame_sink import FrameSink
from opticstream.scope.cameras.ground_truth import GroundTruth, Rows
from opticstream.scope.cameras.paced_camera import FRAMERATE, PacedCamera
from opticstream.scope.cameras.simulated_beads import BeadModel, SimulatedBeads
from opticstream.scope.cameras.truth_file import TruthFile
from opticstream.scope.tracking.tracker import Backend

_MOST_BEADS = 5000
_MOST_UM = 1000.0
_MOVING = ("fixed_z", "tethered_z", "tethered_z_sigma", "tethered_xy_sigma")
_COUNTED = ("fixed_n", "tethered_n", "seed")


class DummyCameraBeads(PacedCamera):
    """Fixed and tethered beads in 512 x 256 px of 200 nm, uint8, with shot noise; the default camera of a scope.

    ``docs/engineering/simulated-beads.md`` has the model. Settings: ``framerate``; ``fixed_n`` beads at height
    ``fixed_z`` (µm above focus); ``tethered_n`` beads about ``tethered_z`` (µm) with standard deviations
    ``tethered_z_sigma`` (µm) and ``tethered_xy_sigma`` (px); ``gain``, photoelectrons of a pixel at full scale;
    ``seed`` of places, motion and noise. Another number of beads or another seed places all beads anew.

    Motion goes by the rate asked for, not by the clock: frame k of a seed always shows the same.

    Args:
        width: px.
        height: px.
        nm_per_px: edge of a pixel in the sample, nm.
        bead: optics; absent: :class:`BeadImage` for ``nm_per_px``.
        crop_px: diameter of the rings around a bead, px.
        truth_file: ``.npy`` file that takes the ground truth while the camera runs, continued if it is there.
        truth_frames: for how many of the last frames :meth:`truth` answers.
        backend: ``numba``, ``numpy`` (another noise for the same seed), or ``auto``.
        clock: seconds since 1970 UTC; absent: the computer's.

    Raises:
        BadInput: the frame is too small for a bead, or ``bead`` is for another ``nm_per_px``.
    """

    width, height, bits, dtype, nm_per_px = 512, 256, 8, np.uint8, 200.0
    ranges: ClassVar[dict[str, CameraSetting]] = {
        "framerate": FRAMERATE,
        "fixed_n": CameraSetting(5, 0, _MOST_BEADS, whole=True),
        "fixed_z": CameraSetting(0.0, -_MOST_UM, _MOST_UM),
        "tethered_n": CameraSetting(3, 0, _MOST_BEADS, whole=True),
        "tethered_z": CameraSetting(0.0, -_MOST_UM, _MOST_UM),
        "tethered_z_sigma": CameraSetting(0.3, 0.0, _MOST_UM),
        "tethered_xy_sigma": CameraSetting(3.0, 0.0, 1000.0),
        "gain": CameraSetting(25000.0, 1.0, 1e9),
        "seed": CameraSetting(1, 0, 2**32 - 1, whole=True),
    }
    settings: ClassVar[list[str]] = list(ranges)

    def __init__(
        self,
        *,
        width: int | None = None,
        height: int | None = None,
        nm_per_px: float | None = None,
        bead: BeadImage | None = None,
        crop_px: float = 50.0,
        truth_file: Path | str | None = None,
        truth_frames: int = 1000,
        backend: Backend = "auto",
        clock: Callable[[], float] | None = None,
    ) -> None:
        given = {"width": width, "height": height, "nm_per_px": nm_per_px}
        self.__dict__.update({name: value for name, value in given.items() if value is not None})
        super().__init__(clock)
        self._bead = bead or BeadImage(nm_per_px=float(self.nm_per_px))
        if self._bead.nm_per_px != self.nm_per_px:
            expected = f"{self.nm_per_px:g}, the camera's"
            raise BadInput("simulated camera: bead.nm_per_px", found=f"{self._bead.nm_per_px:g}", expected=expected)
        self._crop_px, self._backend = crop_px, backend
        self._truth_path = None if truth_file is None else Path(truth_file)
        self._truth_frames = truth_frames
        self._truth, self._truth_file = GroundTruth(truth_frames), None
        self._focus_nm = 0.0
        self._beads = SimulatedBeads(self._model(), self.width, self.height)
        self._positions = self._beads.positions()
        self._frame: BeadFrame | None = None

    _truth_file: TruthFile | None

    def connect(self, video_buffer: FrameSink) -> None:
        """Put the beads at their anchors and start the clock; compiles the kernel or loads it from its cache.

        Raises:
            BadFile: ``truth_file`` is something else.
            WriteFailed: ``truth_file`` cannot be written.
        """
        if self._truth_file is not None:
            self._truth_file.close()
        self._truth = GroundTruth(self._truth_frames)
        self._truth_file = None if self._truth_path is None else TruthFile(self._truth_path)
        self._beads = SimulatedBeads(self._model(), self.width, self.height)
        self._frame = BeadFrame(BeadTable(self._bead, self._crop_px), self.width, self.height, self._backend)
        self._positions = self._beads.positions(self._focus_nm)
        self.draw(0, np.empty((self.height, self.width), np.uint8))
        super().connect(video_buffer)

    def disconnect(self) -> None:
        """Close the ground truth's file."""
        if self._truth_file is not None:
            self._truth_file.close()
            self._truth_file = None

    def set_focus_offset(self, offset_nm: float) -> None:
        """Raise all beads by ``offset_nm`` above focus, as a focus motor does, from the next frame on.

        Raises:
            BadInput: not a finite number within 1 mm.
        """
        offset = float(offset_nm)
        if not abs(offset) <= 1e6:
            raise BadInput("focus offset", found=repr(offset_nm), expected="nm, within 1e6 of 0")
        self._focus_nm = offset

    def truth(self) -> Rows:
        """Return where each bead was in the last frames, rows of ``TRUTH_DTYPE``, also for frames that were dropped."""
        return self._truth.rows()

    def advance(self, number: int, t: float) -> None:
        """Move the beads by a period of the rate asked for, and write down where they are."""
        if number > self.first_number:
            self._beads.step(1.0 / self._schedule.rate)
        self._positions = self._beads.positions(self._focus_nm)
        rows = self._truth.add(number, t, self._positions)
        if self._truth_file is not None:
            self._truth_file.add(rows)

    def draw(self, number: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with the beads as they stand."""
        if self._frame is None:
            raise BadInput("simulated camera", found="not connected", expected="connect() first")
        fixed = self._beads.model.fixed_n
        seed = int(self._values["seed"]) * 2**32 + number
        self._frame.draw(self._positions[:fixed], self._positions[fixed:], self._values["gain"], seed, out)

    def setting_changed(self, name: str) -> None:
        """Place the beads anew or change how they move."""
        if name in _COUNTED:
            self._beads = SimulatedBeads(self._model(), self.width, self.height)
        elif name in _MOVING:
            self._beads.retune(self._model())

    def _model(self) -> BeadModel:
        moving: dict[str, Any] = {name: self._values[name] for name in _MOVING}
        counted: dict[str, Any] = {name: int(self._values[name]) for name in _COUNTED}
        return BeadModel(**moving, **counted)
