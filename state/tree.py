"""What a pipeline's tree is made of: levels, stages, milestones, cascades, and when a parent is ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opticstream.core.errors import StateError
from opticstream.core.identifiers import UnitId


@dataclass(frozen=True)
class Level:
    """One level of a project's tree."""

    ident: type[UnitId]
    milestones: tuple[str, ...]
    stages: tuple[str, ...]
    """Stages that must be committed for a unit of this level to be completed; without any, it is completed with its
    children."""
    ready_event: str | None
    """Announces that a unit is ready; None: nothing does."""
    payload_key: str
    """Key of the identifier in the level's event payloads."""
    cascades: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Milestone → milestones that are cleared with it."""
    counts_when: str = "completed"
    """What makes a unit of this level count for its parent: ``completed``, or one of its milestones."""
    expected_children: Callable[[Mapping[str, Any], UnitId], int] | None = None
    """Project configuration and unit → number of children that make it ready."""
    stages_of: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None
    """Project configuration → those of the stages that its units go through; None: all."""
    last_stage: str | None = None
    """A stage that is never claimed before the others are committed with verified products; it goes to whoever commits
    the last of them."""

    @property
    def name(self) -> str:
        """The level's name, e.g. ``batch``."""
        return self.ident.level

    def required_stages(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the stages that a unit goes through in a project of this configuration."""
        return self.stages if self.stages_of is None else self.stages_of(config)

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

    def below(self, ident: UnitId) -> Level:
        """Return the level of a unit's children."""
        return self.levels[self.levels.index(self.level(ident)) + 1]

    @property
    def leaf(self) -> Level:
        """The innermost level, whose units the watcher registers."""
        return self.levels[-1]
