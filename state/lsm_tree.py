"""The tree of a light-sheet project: slice, channel, strip."""

from collections.abc import Mapping
from typing import Any

from opticstream.core import lsm_events as events
from opticstream.core.identifiers import UnitId
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import ChannelId, LSMSliceId, StripId
from opticstream.state.tree import Level, Tree


def _channels_of_slice(config: Mapping[str, Any], ident: UnitId) -> int:
    return LSMScanConfig.model_validate(config).channels_per_slice


def _strips_of_channel(config: Mapping[str, Any], ident: UnitId) -> int:
    return LSMScanConfig.model_validate(config).strips_per_slice


def _channel_stages(config: Mapping[str, Any]) -> tuple[str, ...]:
    return LSMScanConfig.model_validate(config).channel_stages


def _strip_stages(config: Mapping[str, Any]) -> tuple[str, ...]:
    return LSMScanConfig.model_validate(config).strip_stages


LSM_TREE = Tree(
    pipeline="lsm",
    levels=(
        Level(
            ident=LSMSliceId,
            milestones=(),
            stages=(),
            ready_event=None,
            payload_key="slice_ident",
            expected_children=_channels_of_slice,
        ),
        Level(
            ident=ChannelId,
            milestones=("mip_stitched", "volume_stitched", "volume_uploaded"),
            stages=("mip", "volume"),
            stages_of=_channel_stages,
            ready_event=events.CHANNEL_READY,
            payload_key="channel_ident",
            cascades={
                "mip_stitched": ("volume_stitched", "volume_uploaded"),
                "volume_stitched": ("volume_uploaded",),
            },
            expected_children=_strips_of_channel,
        ),
        Level(
            ident=StripId,
            milestones=("compressed", "archived", "uploaded"),
            stages=("compress", "archive", "cleanup"),
            stages_of=_strip_stages,
            last_stage="cleanup",
            ready_event=events.STRIP_READY,
            payload_key="strip_ident",
            cascades={"compressed": ("uploaded",)},
            counts_when="compressed",
        ),
    ),
)
