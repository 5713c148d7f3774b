"""A small PS-OCT project: its configuration, and tiles that take milliseconds to write and to process."""

from functools import cache
from pathlib import Path

from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.imaging.nifti import nifti_header
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_tile
from opticstream.state import OCT_TREE, open_database, setup_project

TILES = 2
"""Tiles of a batch."""


def small_config(base: Path, project: str = "brain", *, batches: int = 2, tiles: int = TILES) -> PSOCTScanConfig:
    """Return the configuration of a project with small batches of complex tiles."""
    return PSOCTScanConfig(
        project_name=project,
        project_base_path=base,
        acquisition=OCTAcquisition(
            grid_size_x_normal=batches, grid_size_x_tilted=batches, grid_size_y=tiles, tile_saving_type="complex"
        ),
    )


def set_up(settings: Settings, config: PSOCTScanConfig) -> None:
    """Create the project's row."""
    with open_database(settings) as database:
        setup_project(database, OCT_TREE, config.project_name, config)


@cache
def tile_bytes(shape: tuple[int, int, int] = (12, 10, 40)) -> bytes:
    """Return the content of a whole complex tile; ``shape`` is (A-lines, B-lines, depth)."""
    spec = SimulationSpec(tiles_per_batch=TILES, shape=shape, seed=3)
    _, volume = simulate_tile(spec, 1, 1)
    return nifti_header(volume.shape[::-1], spec.voxel_mm, "tile") + volume.tobytes()


def tile_path(folder: Path, mosaic: int, tile: int) -> Path:
    """Return the name of a complex tile."""
    return folder / f"mosaic_{mosaic:03d}_image_{tile:04d}_processed_cropped_focus.nii"


def write_batch(folder: Path, mosaic: int, batch: int, content: bytes | None = None) -> list[Path]:
    """Write every tile of a batch; return their paths."""
    paths = [tile_path(folder, mosaic, tile) for tile in range((batch - 1) * TILES + 1, batch * TILES + 1)]
    for path in paths:
        path.write_bytes(content or tile_bytes())
    return paths
