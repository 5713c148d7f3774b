"""Prefect blocks of a PS-OCT project."""

from typing import ClassVar

from prefect.blocks.core import Block

from opticstream.core.identifiers import BatchId, MosaicId, OCTSliceId
from opticstream.core.scan_config import PSOCTScanConfig as ScanConfigFields
from opticstream.state.blocks.project_state import ConfigDocument, ProjectStateBlock, opens, peeks, reads
from opticstream.state.oct_tree import OCT_TREE
from opticstream.state.tree import Tree


class PSOCTScanConfig(ConfigDocument, Block, ScanConfigFields):
    """Configuration of one PS-OCT project, saved as ``{project-slug}-psoct-config``; the fields are the core model's."""

    _block_type_name = "PSOCT Scan Config"
    _block_type_slug = "psoct-scan-config"
    _fields: ClassVar[type[ScanConfigFields]] = ScanConfigFields
    _suffix: ClassVar[str] = "psoct-config"


class OCTProjectState(ProjectStateBlock):
    """State of one PS-OCT project, saved as ``{project-slug}-oct-state``.

    Example:
        ``OCTProjectState.load("brain-oct-state").peek_batch(BatchId(project="brain", slice=1, mosaic=1, batch=1))``
    """

    _block_type_name = "OCT Project State"
    _block_type_slug = "oct-project-state"
    _tree: ClassVar[Tree] = OCT_TREE

    peek_slice, read_slice, open_slice = peeks(OCTSliceId), reads(OCTSliceId), opens(OCTSliceId)
    peek_mosaic, read_mosaic, open_mosaic = peeks(MosaicId), reads(MosaicId), opens(MosaicId)
    peek_batch, read_batch, open_batch = peeks(BatchId), reads(BatchId), opens(BatchId)
