"""``opticstream oct setup``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from opticstream.cli.setup_command import Json, Set, save_project, validated, writable
from opticstream.core.errors import BadInput
from opticstream.core.scan_config import PSOCTScanConfig


def setup(
    project: Annotated[str, typer.Argument(help="Project name.")],
    project_base_path: Annotated[Path, typer.Option(help="Folder that receives the products; created.")],
    grid_size_x_normal: Annotated[int, typer.Option(help="Batches per mosaic, normal illumination.")] = 1,
    grid_size_x_tilted: Annotated[int, typer.Option(help="Batches per mosaic, tilted illumination.")] = 1,
    grid_size_y: Annotated[int, typer.Option(help="Tiles per batch.")] = 1,
    tile_saving_type: Annotated[
        str, typer.Option(help="What is saved per tile: complex, spectral, spectral_12bit or complex_with_spectral.")
    ] = "complex",
    mosaics_per_slice: Annotated[int, typer.Option(help="Illuminations per slice: 2 or 3.")] = 2,
    spectral_layout: Annotated[
        str | None, typer.Option(help="Order of spectral files: aline_fastest or sample_fastest.")
    ] = None,
    spectral_packing: Annotated[
        str | None, typer.Option(help="How 12-bit samples are packed: mono12p or mono12packed.")
    ] = None,
    calibration_file: Annotated[
        Path | None, typer.Option(help="MATLAB file with mu and wave_prime; spectral tiles need it.")
    ] = None,
    disp_comp_file: Annotated[
        Path | None, typer.Option(help="File of float64 phases that compensate dispersion.")
    ] = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Create a project, or change its configuration; units that are there are kept."""
    from opticstream.tasks.pipelines import OCT

    acquisition: dict[str, Any] = {
        "grid_size_x_normal": grid_size_x_normal,
        "grid_size_x_tilted": grid_size_x_tilted,
        "grid_size_y": grid_size_y,
        "tile_saving_type": tile_saving_type,
        "spectral_layout": spectral_layout,
        "spectral_packing": spectral_packing,
    }
    fields: dict[str, Any] = {
        "project_name": project,
        "project_base_path": project_base_path.expanduser().absolute(),
        "mosaics_per_slice": mosaics_per_slice,
        "acquisition": acquisition,
        "processing": {"calibration_file": calibration_file, "disp_comp_file": disp_comp_file},
    }
    config = _with_absolute_paths(validated(PSOCTScanConfig, fields, set_ or (), "oct setup"))
    _check_supported(config)
    writable("--project-base-path", config.project_base_path)
    save_project(OCT, config, config.project_base_path, json=json)


def _with_absolute_paths(config: PSOCTScanConfig) -> PSOCTScanConfig:
    """A watch may run in another folder than setup."""
    processing = config.processing
    files = {"calibration_file": processing.calibration_file, "disp_comp_file": processing.disp_comp_file}
    absolute = {name: path.expanduser().absolute() for name, path in files.items() if path is not None}
    return config.model_copy(update={"processing": processing.model_copy(update=absolute)})


def _check_supported(config: PSOCTScanConfig) -> None:
    if config.acquisition.tile_saving_type == "processed_with_spectral":
        raise BadInput(
            "--tile-saving-type",
            found="processed_with_spectral",
            expected="complex, spectral, spectral_12bit or complex_with_spectral",
            action="Products that the microscope makes itself are not taken over in this version.",
        )
    if config.archive_path is not None:
        raise BadInput(
            "archive_path",
            found=str(config.archive_path),
            expected="nothing",
            action="Raw tiles are not archived in this version; leave it out, and copy them yourself.",
        )
    config.check_spectral()
    from opticstream.imaging.psoct import load_calibration, load_dispersion

    if config.processing.calibration_file is not None:
        load_calibration(config.processing.calibration_file, config.acquisition.spectral_samples)
    if config.processing.disp_comp_file is not None:
        load_dispersion(config.processing.disp_comp_file)
