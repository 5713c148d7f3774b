"""How a complex tile is processed."""

from dataclasses import dataclass

from opticstream.core.scan_config import OCTAcquisition, OCTProcessing


@dataclass(frozen=True, slots=True)
class TileOptions:
    """Parameters of the reconstruction; see ``docs/engineering/psoct-maths.md``."""

    wavelength_um: float = 1.3
    voxel_z_um: float = 2.5
    """Depth of one sample, µm."""
    phase_offset_deg: float = 100.0
    """Added to the optic axis orientation, degrees."""
    flip_phase: bool = False
    flip_z: bool = True
    """The file holds the deepest sample first."""
    enface_offset: int = 0
    """Samples between the surface and the enface window."""
    enface_depth: int = 70
    """Samples of the enface window."""
    surface_sigma: float = 5.0
    """Gaussian sigma along depth, samples."""

    @classmethod
    def from_config(cls, acquisition: OCTAcquisition, processing: OCTProcessing) -> "TileOptions":
        """Return the options a project's configuration gives."""
        return cls(
            wavelength_um=acquisition.wavelength_um,
            voxel_z_um=acquisition.scan_resolution_3d[2] * 1000,
            phase_offset_deg=processing.phase_offset_deg,
            flip_phase=processing.flip_phase,
            flip_z=processing.flip_z,
            enface_offset=processing.enface_offset,
            enface_depth=processing.enface_depth,
            surface_sigma=processing.surface_sigma,
        )
