"""The trees as data: levels, milestones, cascades, and when a parent is ready. One implementation serves them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opticstream.core import events
from opticstream.core.errors import StateError
from opticstream.core.identifiers import BatchId, MosaicId, OCTSliceId, UnitId
from opticstream.core.scan_config import PSOCTScanConfig


@dataclass(frozen=True)
class Level:
    """One level of a project's tree."""

    ident: type[UnitId]
    milestones: tuple[str, ...]
    stages: tuple[str, ...]
    """Stages that must be committed for a unit of this level to be completed."""
    ready_event: str
    payload_key: str
    """Key of the identifier in the level's event payloads."""
    cascades: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Milestone → milestones that are cleared with it."""
    counts_when: str = "completed"
    """What makes a unit of this level count for its parent: ``completed``, or one of its milestones."""
    expected_children: Callable[[Mapping[str, Any], UnitId], int] | None = None
    """Project configuration and unit → number of children that make it ready."""

    @property
    def name(self) -> str:
        """The level's name, e.g. ``batch``."""
        return self.ident.level

    def check_milestone(self, name: str) -> str:
        """Return ``name``.

        Raises:
            StateError: this level has no such milestone.
        """
        if name not in self.milestones:
            raise StateError(
                f"milestone of a {self.name}", found=repr(name), expected=f"one of {', '.join(self.milestones)}"
            )
        return name


@dataclass(frozen=True)
class Tree:
    """A pipeline's levels, outermost first."""

    pipeline: str
    levels: tuple[Level, ...]

    def level(self, ident: UnitId | type[UnitId] | str) -> Level:
        """Return the level of an identifier, identifier type or level name.

        Raises:
            StateError: it belongs to no level of this tree.
        """
        name = ident if isinstance(ident, str) else ident.level
        for level in self.levels:
            if level.name == name:
                return level
        raise StateError(
            f"level of a {self.pipeline} project",
            found=repr(name),
            expected=f"one of {', '.join(level.name for level in self.levels)}",
        )

    @property
    def leaf(self) -> Level:
        """The innermost level, whose units the watcher registers."""
        return self.levels[-1]


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
