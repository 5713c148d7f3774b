"""The tree of a PS-OCT project: slice, mosaic, batch."""

from collections.abc import Mapping
from typing import Any

from opticstream.core import events
from opticstream.core.identifiers import BatchId, MosaicId, OCTSliceId, UnitId
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.state.tree import Level, Tree


def _batches_of_mosaic(config: Mapping[str, Any], ident: UnitId) -> int:
    assert isinstance(ident, MosaicId)  # noqa: S101 (the tree pairs them)
    return PSOCTScanConfig.model_validate(config).batches_of_mosaic(ident.mosaic)


def _mosaics_of_slice(config: Mapping[str, Any], ident: UnitId) -> int:
    return PSOCTScanConfig.model_validate(config).mosaics_per_slice


OCT_TREE = Tree(
    pipeline="oct",
    levels=(
        Level(
            ident=OCTSliceId,
            milestones=("registered", "uploaded"),
            stages=("register",),
            ready_event=events.SLICE_READY,
            payload_key="slice_ident",
            expected_children=_mosaics_of_slice,
        ),
        Level(
            ident=MosaicId,
            milestones=("enface_stitched", "enface_uploaded", "volume_stitched", "volume_uploaded"),
            stages=("stitch",),
            ready_event=events.MOSAIC_READY,
            payload_key="mosaic_ident",
            cascades={
                "enface_stitched": ("enface_uploaded", "volume_stitched", "volume_uploaded"),
                "volume_stitched": ("volume_uploaded",),
            },
            counts_when="enface_stitched",
            expected_children=_batches_of_mosaic,
        ),
        Level(
            ident=BatchId,
            milestones=("complexed", "volume_processed", "enface_processed", "archived", "uploaded"),
            stages=("process",),
            ready_event=events.BATCH_READY,
            payload_key="batch_ident",
            cascades={
                "complexed": ("volume_processed", "enface_processed"),
                "volume_processed": ("enface_processed",),
                "archived": ("uploaded",),
            },
        ),
    ),
)
