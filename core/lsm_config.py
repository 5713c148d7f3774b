"""How a light-sheet project's strips are stored, archived and joined: the content of ``{slug}-lsm-config``."""

import itertools
import string
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from opticstream.core.identifiers import Project

CleanupAction = Literal["keep", "rename", "delete"]
Checksum = Literal["none", "xxh3", "sha256"]
Codec = Literal["zstd", "lz4", "lz4hc", "zlib", "blosclz"]
Shuffle = Literal["bitshuffle", "shuffle", "none"]

_NAME_FIELDS = {"project_name", "slice_id", "strip_id", "channel_id", "acq"}


def _example(name: str, slice_id: int, strip_id: int, channel_id: int) -> str:
    """Return the name of a strip's product; a camera is written with two digits, as in ``acquisition_label``."""
    return name.format(
        project_name="p", slice_id=slice_id, strip_id=strip_id, channel_id=channel_id, acq=f"camera-{channel_id:02d}"
    )


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class ZarrOptions(_Config):
    """How a strip's OME-Zarr is written."""

    ome_version: Literal["0.5", "0.4"] = Field("0.5", description="OME-Zarr version: 0.5 is Zarr v3, 0.4 Zarr v2.")
    chunk: int = Field(128, ge=16, le=512, multiple_of=2, description="Edge of a chunk, voxels, on each axis.")
    codec: Codec = Field("zstd", description="Compressor inside blosc.")
    level: int = Field(1, ge=0, le=9, description="Compression level.")
    shuffle: Shuffle = Field("bitshuffle", description="Order of bits or bytes before compression.")
    pyramid_levels: int = Field(
        0, ge=0, le=12, description="Resolution levels with the full one; 0: down to the size of one chunk."
    )


class LSMScanConfig(_Config):
    """Configuration of one light-sheet project.

    Field names and defaults are those labs already have in their Prefect blocks, except where a default kept small
    acquisitions out: there is no least folder size, since content is verified instead.
    """

    project_name: Project = Field(description="Project name.")
    project_base_path: Path = Field(description="Folder of the project; products go there unless output_path is set.")
    info_file: Path | None = Field(
        None, description="MATLAB info file of the camera, for background frames; None: all frames are used."
    )
    output_path: Path | None = Field(None, description="Folder of the products; None: project_base_path.")
    output_format: str = Field(
        "{project_name}_sample-slice{slice_id:02d}_chunk-{strip_id:04d}_acq-{acq}.ome.zarr",
        description="Name of a strip's OME-Zarr.",
    )
    output_mip_format: str = Field(
        "{project_name}_sample-slice{slice_id:02d}_chunk-{strip_id:04d}_acq-{acq}_proc-mip.tiff",
        description="Name of a strip's maximum intensity projection.",
    )
    generate_mip: bool = Field(True, description="Write a maximum intensity projection along the camera's rows.")
    output_mip_preview_window: tuple[float, float] | None = Field(
        (0.0, 1000.0), description="Grey window of previews, counts; None: the 1st to 99.8th percentile."
    )
    strip_folder_size_threshold: float = Field(
        0.0, ge=0, description="Strips smaller than this many GB are refused; 0: content is verified, size is not."
    )
    strips_per_slice: int = Field(100, ge=1, description="Strips of a channel of a slice.")
    channels_per_slice: int = Field(1, ge=1, description="Channels (cameras) of a slice.")
    strip_overlap: float = Field(
        10.0, ge=0, lt=100, description="Overlap of neighbouring strips along the camera's columns, percent."
    )
    voxel_size_um: tuple[float, float, float] = Field(
        (1.0, 1.0, 1.0), description="Voxel size (z: camera rows, y: camera columns, x: frames) in µm."
    )
    zarr: ZarrOptions = Field(default_factory=lambda: ZarrOptions(), description="How OME-Zarrs are written.")
    archive_path: Path | None = Field(
        None, description="Folder for verified copies of the raw files; None: no archive."
    )
    archive_rate_limit: float = Field(500.0, ge=0, description="Copy rate in MB/s; 0: as fast as it goes.")
    distribute_archive: bool = Field(
        False, description="Another host archives (`opticstream lsm serve PROJECT archive`), not the one that converts."
    )
    checksum: Checksum = Field(
        "xxh3", description="Checksum of raw files where no archive is made; an archive's manifest is SHA-256."
    )
    strip_cleanup_action: CleanupAction = Field(
        "rename", description="What becomes of raw data once every product is verified: keep, rename or delete."
    )
    cpu_affinity: tuple[int, int] | None = Field(
        None, description="First CPU and the one after the last that workers may use; None: all."
    )
    num_workers: int = Field(0, ge=0, description="Threads of a conversion; 0: one per CPU, at most 8.")
    stitch_volume: bool = Field(False, description="Also join the strips of a channel into one volume.")

    @field_validator("output_format", "output_mip_format")
    @classmethod
    def _tells_strips_apart(cls, value: str) -> str:
        try:
            fields = {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}
            names = [_example(value, *numbers) for numbers in itertools.product((1, 11, 111), repeat=3)]
        except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
            raise ValueError(f"a name with the fields {', '.join(sorted(_NAME_FIELDS))}; found {error}") from None
        if missing := [name for name in ("slice_id", "strip_id") if name not in fields]:
            raise ValueError(f"lacks {{{'}, {'.join(missing)}}}, so strips would share one name")
        if not fields & {"acq", "channel_id"}:
            raise ValueError("lacks {acq} or {channel_id}, so channels would share one name")
        if "/" in value or "\\" in value:
            raise ValueError("must be a name without folders")
        if len(set(names)) < len(names):
            raise ValueError("runs numbers together, so strips would share one name; put text between them")
        return value

    @field_validator("output_mip_preview_window", mode="before")
    @classmethod
    def _empty_window(cls, value: object) -> object:
        return None if value in ([], (), "") else value

    @model_validator(mode="after")
    def _sensible(self) -> "LSMScanConfig":
        if min(self.voxel_size_um) <= 0:
            raise ValueError(f"voxel_size_um must be positive, found {self.voxel_size_um}")
        window = self.output_mip_preview_window
        if window is not None and window[0] >= window[1]:
            raise ValueError(f"output_mip_preview_window must rise, found {window}")
        if self.generate_mip and _example(self.output_format, 1, 1, 1) == _example(self.output_mip_format, 1, 1, 1):
            raise ValueError(f"output_format and output_mip_format must differ, found {self.output_format!r} for both")
        if self.distribute_archive and self.archive_path is None:
            raise ValueError("distribute_archive needs archive_path")
        if self.cpu_affinity is not None and not 0 <= self.cpu_affinity[0] < self.cpu_affinity[1]:
            raise ValueError(f"cpu_affinity must be (first, one after the last), found {self.cpu_affinity}")
        return self

    @property
    def products_path(self) -> Path:
        """Folder of the products."""
        return self.output_path or self.project_base_path

    @property
    def strip_stages(self) -> tuple[str, ...]:
        """The stages that a strip of this project goes through."""
        archive = ("archive",) if self.archive_path is not None else ()
        cleanup = ("cleanup",) if self.strip_cleanup_action != "keep" else ()
        return ("compress", *archive, *cleanup)

    @property
    def channel_stages(self) -> tuple[str, ...]:
        """The stages that a channel of this project goes through."""
        mip = ("mip",) if self.generate_mip else ()
        return (*mip, "volume") if self.stitch_volume else mip
