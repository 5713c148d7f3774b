"""What a scope does with the camera's frames."""

from dataclasses import dataclass
from enum import StrEnum


class AcquisitionMode(StrEnum):
    """Which of tracks and video are made of the frames."""

    TRACK = "Track"
    TRACK_AND_VIDEO_ROIS = "Track and Video (ROIs)"
    TRACK_AND_VIDEO_FULL = "Track and Video (Full)"
    VIDEO_ROIS = "Video (ROIs)"
    VIDEO_FULL = "Video (Full)"
    # Names that older scripts use.
    TRACK_AND_CROP_VIDEO = "Track and Video (ROIs)"
    TRACK_AND_FULL_VIDEO = "Track and Video (Full)"
    CROP_VIDEO = "Video (ROIs)"
    FULL_VIDEO = "Video (Full)"

    @property
    def tracks(self) -> bool:
        """Whether beads are tracked."""
        return self in (type(self).TRACK, type(self).TRACK_AND_VIDEO_ROIS, type(self).TRACK_AND_VIDEO_FULL)

    @property
    def video(self) -> str:
        """Return ``full``, ``rois`` or nothing."""
        return {"Full)": "full", "ROIs)": "rois"}.get(self.value.rpartition("(")[2], "")


@dataclass(frozen=True)
class Acquisition:
    """What every process of a scope knows about the acquisition."""

    on: bool = True
    dir: str | None = None
    dir_on: bool = False
    mode: AcquisitionMode = AcquisitionMode.TRACK

    @property
    def saving(self) -> bool:
        """Whether anything is to be written."""
        return self.on and self.dir_on and self.dir is not None
