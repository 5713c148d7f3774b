"""What a PS-OCT project's scans look like and how they are processed: the content of ``{slug}-psoct-config``."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import Project
from opticstream.core.oct_layout import ENFACE_MODALITIES, VOLUME_MODALITIES, illumination

TileSavingType = Literal["complex", "spectral", "spectral_12bit", "complex_with_spectral", "processed_with_spectral"]
SpectralLayout = Literal["aline_fastest", "sample_fastest"]
SpectralPacking = Literal["mono12p", "mono12packed"]
SpectralWindow = Literal["none", "hann"]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class OCTAcquisition(_Config):
    """How the microscope scans."""

    grid_size_x_normal: int = Field(1, ge=1, description="Batches (tile columns) per mosaic, normal illumination.")
    grid_size_x_tilted: int = Field(1, ge=1, description="Batches (tile columns) per mosaic, tilted illumination.")
    grid_size_y: int = Field(1, ge=1, description="Tiles per batch.")
    tile_size_x_normal: int = Field(350, ge=1, description="A-lines per B-line, normal illumination.")
    tile_size_x_tilted: int = Field(200, ge=1, description="A-lines per B-line, tilted illumination.")
    tile_size_y: int = Field(350, ge=1, description="B-lines per tile.")
    tile_overlap: float = Field(20.0, ge=0, lt=100, description="Overlap of neighbouring tiles, percent.")
    scan_resolution_3d: tuple[float, float, float] = Field(
        (0.01, 0.01, 0.0025), description="Voxel size (x, y, z) in mm."
    )
    tile_saving_type: TileSavingType = Field("spectral", description="What the acquisition software saves per tile.")
    wavelength_um: float = Field(1.3, gt=0, description="Centre wavelength in µm.")
    slice_thickness_um: float = Field(500.0, gt=0, description="Thickness of one physical slice in µm.")
    spectral_layout: SpectralLayout | None = Field(
        None,
        description="Order of spectral files: axes (A-line, sample, channel, B-line) or (sample, A-line, channel, "
        "B-line), the fastest first. Spectral tiles need it.",
    )
    spectral_samples: int = Field(2048, ge=64, multiple_of=2, description="Samples of a spectrum.")
    spectral_packing: SpectralPacking | None = Field(
        None, description="How two 12-bit samples share three bytes; spectral_12bit tiles need it."
    )

    @property
    def reconstructs(self) -> bool:
        """Whether tiles are reconstructed from their spectra; else they are saved as complex fields."""
        return self.tile_saving_type in ("spectral", "spectral_12bit")


class OCTProcessing(_Config):
    """How tiles are turned into volumes and enface maps."""

    enface_offset: int = Field(0, ge=0, description="Samples between the surface and the enface window.")
    enface_depth: int = Field(70, ge=1, description="Samples of the enface window.")
    surface_sigma: float = Field(5.0, gt=0, description="Gaussian sigma along depth, samples, before the gradient.")
    flip_phase: bool = Field(False, description="Swap the sign of the phase difference.")
    phase_offset_deg: float = Field(100.0, description="Offset added to the optic axis orientation, degrees.")
    flip_z: bool = Field(True, description="Tiles are stored deepest sample first; flip them.")
    calibration_file: Path | None = Field(
        None, description="MATLAB file with mu and wave_prime: which wavelength falls on which pixel."
    )
    disp_comp_file: Path | None = Field(
        None, description="File of float64 phases, radians, that compensate dispersion; None: no compensation."
    )
    spectral_window: SpectralWindow = Field("none", description="Window on each spectrum before its transform.")
    save_complex: bool = Field(False, description="Keep the complex tiles that are reconstructed from spectra.")


class PSOCTScanConfig(_Config):
    """Configuration of one PS-OCT project.

    Field names and defaults are those labs already have in their Prefect blocks.
    """

    project_name: Project = Field(description="Project name.")
    project_base_path: Path = Field(description="Folder that receives the products.")
    mosaics_per_slice: Literal[2, 3] = Field(2, description="Illuminations per slice.")
    mask_threshold_normal: float = Field(60.0, description="Tissue mask threshold on aip, dB, normal illumination.")
    mask_threshold_tilted: float = Field(55.0, description="Tissue mask threshold on aip, dB, tilted illumination.")
    archive_path: Path | None = Field(
        None, description="Folder for raw tiles. Not in this version: nothing is archived."
    )
    enface_modalities: tuple[Literal["aip", "mip", "ret", "ori", "biref", "surf"], ...] = Field(
        ENFACE_MODALITIES,  # type: ignore[arg-type]
        description="Enface maps to write.",
    )
    volume_modalities: tuple[Literal["dBI", "R3D", "O3D"], ...] = Field(
        VOLUME_MODALITIES,  # type: ignore[arg-type]
        description="Volumes to write.",
    )
    acquisition: OCTAcquisition = Field(default_factory=lambda: OCTAcquisition(), description="How it was scanned.")
    processing: OCTProcessing = Field(default_factory=lambda: OCTProcessing(), description="How it is processed.")

    @model_validator(mode="after")
    def _resolution_positive(self) -> "PSOCTScanConfig":
        if min(self.acquisition.scan_resolution_3d) <= 0:
            raise ValueError(f"scan_resolution_3d must be positive mm, found {self.acquisition.scan_resolution_3d}")
        return self

    def check_spectral(self) -> None:
        """Return if everything is there that spectral tiles need; of other tiles nothing is asked.

        Raises:
            BadInput: naming every field that is missing.
        """
        if not self.acquisition.reconstructs:
            return
        needed: dict[str, tuple[str, object]] = {
            "acquisition.spectral_layout": ("--spectral-layout", self.acquisition.spectral_layout),
            "processing.calibration_file": ("--calibration-file", self.processing.calibration_file),
        }
        if self.acquisition.tile_saving_type == "spectral_12bit":
            needed["acquisition.spectral_packing"] = ("--spectral-packing", self.acquisition.spectral_packing)
        missing = {field: option for field, (option, value) in needed.items() if value is None}
        if missing:
            raise BadInput(
                f"configuration of {self.project_name}",
                found=f"tile_saving_type {self.acquisition.tile_saving_type} without {', '.join(missing)}",
                expected="how the spectra are stored and calibrated",
                action=f"Give {', '.join(missing.values())} to `opticstream oct setup`.",
            )

    def batches_of_mosaic(self, mosaic: int) -> int:
        """Return how many batches make a logical mosaic."""
        normal = illumination(mosaic, self.mosaics_per_slice) == "normal" or self.mosaics_per_slice == 3
        return self.acquisition.grid_size_x_normal if normal else self.acquisition.grid_size_x_tilted

    def tile_shape_xy(self, mosaic: int) -> tuple[int, int]:
        """Return the tile's (A-lines, B-lines) for a logical mosaic."""
        normal = illumination(mosaic, self.mosaics_per_slice) == "normal" or self.mosaics_per_slice == 3
        acquisition = self.acquisition
        return (
            acquisition.tile_size_x_normal if normal else acquisition.tile_size_x_tilted,
            acquisition.tile_size_y,
        )
