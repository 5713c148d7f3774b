"""Identifiers of the units a project is made of; frozen, comparable, with a stable text form."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opticstream.core.text import check_project_name

Project = Annotated[str, AfterValidator(check_project_name)]
Number = Annotated[int, Field(ge=1, le=999_999_999)]


class UnitId(BaseModel):
    """One unit of a project's tree; subclasses add one number per level.

    ``str()`` is the Prefect resource id of the unit's events; ``key`` is the same without pipeline and project.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: ClassVar[str]
    level: ClassVar[str]
    digits: ClassVar[dict[str, int]]
    """Name and zero-padded width of each number, outermost first."""

    project: Project

    @property
    def numbers(self) -> tuple[int, ...]:
        """The unit's numbers, outermost first: ``(slice, mosaic, batch)``."""
        return tuple(getattr(self, name) for name in self.digits)

    @property
    def key(self) -> str:
        """Stable path of the unit within its project, e.g. ``slice-02/mosaic-003/batch-001``."""
        return "/".join(f"{name}-{getattr(self, name):0{width}d}" for name, width in self.digits.items())

    @property
    def parent(self) -> "UnitId | None":
        """The unit that contains this one; None at the top of the tree."""
        return None

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.project}/{self.key}"


class OCTSliceId(UnitId):
    """One physical slice of a PS-OCT project."""

    pipeline: ClassVar[str] = "oct"
    level: ClassVar[str] = "slice"
    digits: ClassVar[dict[str, int]] = {"slice": 2}

    slice: Number


class MosaicId(OCTSliceId):
    """One mosaic (illumination angle) of a slice, by its logical number."""

    level: ClassVar[str] = "mosaic"
    digits: ClassVar[dict[str, int]] = {"slice": 2, "mosaic": 3}

    mosaic: Number

    @property
    def parent(self) -> OCTSliceId:
        """The slice this mosaic belongs to."""
        return OCTSliceId(project=self.project, slice=self.slice)


class BatchId(MosaicId):
    """One batch of ``grid_size_y`` tiles of a mosaic."""

    level: ClassVar[str] = "batch"
    digits: ClassVar[dict[str, int]] = {"slice": 2, "mosaic": 3, "batch": 3}

    batch: Number

    @property
    def parent(self) -> MosaicId:
        """The mosaic this batch belongs to."""
        return MosaicId(project=self.project, slice=self.slice, mosaic=self.mosaic)
