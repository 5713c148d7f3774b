"""What the settings ask of the machine, looked at before anything is allocated."""

import logging
from dataclasses import dataclass

from opticstream.scope.bad_value import BadValue
from opticstream.scope.settings.magscope_settings import MagScopeSettings

log = logging.getLogger(__name__)

_TRACK_ROW_BYTES = 7 * 8
_SHARE = 0.9


@dataclass(frozen=True)
class ScopeResources:
    """What a scope may use."""

    processors: int
    """Processes that track."""
    video_bytes: int
    """Of the video buffer."""
    tracks_bytes: int
    """Of the tracks buffer."""


def fit_to_machine(settings: MagScopeSettings, *, frame_bytes: int, free_bytes: int, cores: int) -> ScopeResources:
    """Return what the settings ask for, as far as the machine has it.

    More tracking processes than cores only take time from each other, so there are never more; who asked for them is
    warned, who has the default is not.

    Args:
        settings: of the scope.
        frame_bytes: of one frame of the camera.
        free_bytes: shared memory that can be had.
        cores: that the scope may use.

    Raises:
        BadValue: the buffers need more than 90 % of the free memory.
    """
    images, stacks = int(settings["video buffer n images"]), int(settings["video buffer n stacks"])
    video, tracks = images * stacks * frame_bytes, int(settings["tracks max datapoints"]) * _TRACK_ROW_BYTES
    if video + tracks > _SHARE * free_bytes:
        raise BadValue(
            "buffers of the scope",
            found=f"{video / 1e9:.2f} GB of video ({stacks} stacks of {images} images of {frame_bytes / 1e6:.2f} MB)"
            f" and {tracks / 1e9:.2f} GB of tracks",
            expected=f"no more than {_SHARE:.0%} of the free shared memory, {free_bytes / 1e9:.2f} GB",
            action="Lower 'video buffer n images', 'video buffer n stacks' or 'tracks max datapoints'.",
        )
    asked = int(settings["video processors n"])
    if asked > cores:
        default = MagScopeSettings.spec_for("video processors n").default
        level = logging.INFO if asked == default else logging.WARNING
        log.log(level, "'video processors n': found %d; there are %d cores, and as many are started", asked, cores)
    return ScopeResources(min(asked, cores), video, tracks)
