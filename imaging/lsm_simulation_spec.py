"""What a simulated light sheet acquires."""

from dataclasses import dataclass
from typing import Literal, get_args

from opticstream.core.errors import BadInput
from opticstream.imaging.lsm_camera import FrameFormat, PixelEncoding
from opticstream.imaging.lsm_overlap import overlap_columns

InfoFile = Literal["none", "project", "strip"]

_LARGEST_SIDE = 65535


@dataclass(frozen=True)
class LSMSimulationSpec:
    """What is written. The same spec gives the same bytes."""

    slices: int = 1
    strips: int = 3
    """Strips per slice and channel."""
    channels: int = 1
    """1 or 2; the second camera's folders have ``_C2`` in their names."""
    rows: int = 96
    """Camera rows with an image (AOIHeight): the axis z."""
    columns: int = 256
    """Camera columns (AOIWidth): the axis y, along which strips lie side by side."""
    frames: int = 256
    """Frames with an image: the axis x."""
    frames_per_file: int = 32
    """The last file holds fewer when frames do not divide evenly."""
    overlap_percent: float = 10.0
    """Columns that neighbouring strips share."""
    jitter: int = 0
    """Most voxels by which a strip is off its place, in columns and in frames; the first strip never is."""
    pixel_encoding: PixelEncoding = "Mono16"
    stride_padding: int = 0
    """Bytes behind the pixels of each row, which AOIStride counts and AOIWidth does not."""
    background_frames: int = 0
    """Dark frames after those with an image; only the info file tells how many they are."""
    info_file: InfoFile = "none"
    """MATLAB file with the number of frames: none, ``info.mat`` for all strips, or ``<strip>_info.mat`` beside each."""
    seed: int = 0
    first_slice: int = 1
    interval_s: float = 0.0
    """Seconds between strips."""
    slow_write: bool = False
    """Let files grow in pieces under their final names."""

    @property
    def form(self) -> FrameFormat:
        """Layout of a frame."""
        return FrameFormat(self.rows, self.columns, self.pixel_encoding, self.stride_padding)

    @property
    def overlap_px(self) -> int:
        """Columns that neighbouring strips share, jitter aside."""
        return overlap_columns(self.columns, self.overlap_percent)

    @property
    def recorded_frames(self) -> int:
        """Frames in the files of a strip, dark ones included."""
        return self.frames + self.background_frames

    def check(self) -> None:
        """Refuse what cannot be simulated.

        Raises:
            BadInput: the first option that is wrong.
        """
        for name in ("slices", "strips", "rows", "columns", "frames", "frames_per_file", "first_slice"):
            _check(name, getattr(self, name), 1, _LARGEST_SIDE if name in ("rows", "columns") else None)
        _check("channels", self.channels, 1, 2)
        for name in ("stride_padding", "background_frames", "seed", "interval_s"):
            _check(name, getattr(self, name), 0, None)
        if not 0 <= self.overlap_percent < 100 or self.overlap_px >= self.columns:
            raise BadInput("--overlap-percent", found=str(self.overlap_percent), expected="0 or more, below 100")
        _check("jitter", self.jitter, 0, self.overlap_px // 2, "half the overlap of neighbouring strips")
        if self.pixel_encoding not in get_args(PixelEncoding):
            raise BadInput("--pixel-encoding", found=repr(self.pixel_encoding), expected="Mono16 or Mono8")
        if self.info_file not in get_args(InfoFile):
            raise BadInput("--info-file", found=repr(self.info_file), expected=", ".join(get_args(InfoFile)))
        if self.background_frames and self.info_file == "none":
            raise BadInput(
                "--background-frames",
                found=f"{self.background_frames} without an info file",
                expected="an info file, which alone tells a reader of them",
                action="Add --info-file project.",
            )


def _check(name: str, value: float, least: int, most: int | None, why: str = "") -> None:
    if value < least or (most is not None and value > most):
        expected = f"{least} or more" if most is None else f"{least} to {most}" + (f", {why}" if why else "")
        raise BadInput(f"--{name.replace('_', '-')}", found=str(value), expected=expected)
