"""Identifiers of the units of a light-sheet project."""

from typing import ClassVar

from opticstream.core.identifiers import Number, UnitId


class LSMSliceId(UnitId):
    """One physical slice of a light-sheet project."""

    pipeline: ClassVar[str] = "lsm"
    level: ClassVar[str] = "slice"
    digits: ClassVar[dict[str, int]] = {"slice": 2}

    slice: Number


class ChannelId(LSMSliceId):
    """One channel (camera) of a slice."""

    level: ClassVar[str] = "channel"
    digits: ClassVar[dict[str, int]] = {"slice": 2, "channel": 2}

    channel: Number

    @property
    def parent(self) -> LSMSliceId:
        """The slice this channel belongs to."""
        return LSMSliceId(project=self.project, slice=self.slice)


class StripId(ChannelId):
    """One strip: one sweep of the stage past the camera."""

    level: ClassVar[str] = "strip"
    digits: ClassVar[dict[str, int]] = {"slice": 2, "channel": 2, "strip": 4}

    strip: Number

    @property
    def parent(self) -> ChannelId:
        """The channel this strip belongs to."""
        return ChannelId(project=self.project, slice=self.slice, channel=self.channel)
