"""Names and payloads of a light-sheet project's events; labs trigger on these names, so they do not change."""

from opticstream.core.events import EventPayload
from opticstream.core.lsm_identifiers import ChannelId, StripId

STRIP_READY = "linc.opticstream.lsm.strip.ready"
STRIP_COMPRESSED = "linc.opticstream.lsm.strip.compressed"
STRIP_ARCHIVED = "linc.opticstream.lsm.strip.archived"
STRIP_PROCESSED = "linc.opticstream.lsm.strip.processed"
CHANNEL_READY = "linc.opticstream.lsm.channel.ready"
CHANNEL_MIP_STITCHED = "linc.opticstream.lsm.channel.mip_stitched"
CHANNEL_VOLUME_STITCHED = "linc.opticstream.lsm.channel.volume_stitched"


class StripReady(EventPayload):
    """A strip's folder is on disk, whole and stable."""

    strip_ident: StripId
    strip_path: str
    force_rerun: bool = False
    dispatch_no: int | None = None
    """Under which the gate has offered it; the event may come twice, the second finds it done. None: another's event."""


class StripDone(EventPayload):
    """A strip was compressed, archived, or has gone through all its stages."""

    strip_ident: StripId


class ChannelReady(EventPayload):
    """Every strip of a channel is compressed."""

    channel_ident: ChannelId


class ChannelMipStitched(EventPayload):
    """The projections of a channel's strips are one image."""

    channel_ident: ChannelId
    mip_stitched_path: str
    mip_count: int


class ChannelVolumeStitched(EventPayload):
    """The strips of a channel are one volume."""

    channel_ident: ChannelId
    volume_path: str


LSM_PAYLOADS: dict[str, type[EventPayload]] = {
    STRIP_READY: StripReady,
    STRIP_COMPRESSED: StripDone,
    STRIP_ARCHIVED: StripDone,
    STRIP_PROCESSED: StripDone,
    CHANNEL_READY: ChannelReady,
    CHANNEL_MIP_STITCHED: ChannelMipStitched,
    CHANNEL_VOLUME_STITCHED: ChannelVolumeStitched,
}
