"""Prefect blocks of a light-sheet project."""

from typing import ClassVar

from prefect.blocks.core import Block

from opticstream.core.lsm_config import LSMScanConfig as ScanConfigFields
from opticstream.core.lsm_identifiers import ChannelId, LSMSliceId, StripId
from opticstream.state.blocks.project_state import ConfigDocument, ProjectStateBlock, opens, peeks, reads
from opticstream.state.lsm_tree import LSM_TREE
from opticstream.state.tree import Tree


class LSMScanConfig(ConfigDocument, Block, ScanConfigFields):
    """Configuration of one light-sheet project, saved as ``{project-slug}-lsm-config``."""

    _block_type_name = "LSM Scan Config"
    _block_type_slug = "lsm-scan-config"
    _fields: ClassVar[type[ScanConfigFields]] = ScanConfigFields
    _suffix: ClassVar[str] = "lsm-config"


class LSMProjectState(ProjectStateBlock):
    """State of one light-sheet project, saved as ``{project-slug}-lsm-state``.

    Example:
        ``LSMProjectState.load("brain-lsm-state").peek_strip(StripId(project="brain", slice=1, channel=1, strip=1))``
    """

    _block_type_name = "LSM Project State"
    _block_type_slug = "lsm-project-state"
    _tree: ClassVar[Tree] = LSM_TREE

    peek_slice, read_slice, open_slice = peeks(LSMSliceId), reads(LSMSliceId), opens(LSMSliceId)
    peek_channel, read_channel, open_channel = peeks(ChannelId), reads(ChannelId), opens(ChannelId)
    peek_strip, read_strip, open_strip = peeks(StripId), reads(StripId), opens(StripId)
