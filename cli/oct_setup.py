"""``opticstream oct setup``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from opticstream.cli.console import err, out, print_json
from opticstream.core.errors import BadInput
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.core.validation import problems


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
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other field: processing.enface_depth=80, acquisition.wavelength_um=1.31."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Create a project, or change its configuration; units that are there are kept."""
    from opticstream.deployments.api import LocalApi
    from opticstream.state import OCT_TREE, open_database, setup_project

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
    for assignment in set_ or ():
        _assign(fields, assignment)
    config = _with_absolute_paths(_validated(fields))
    _check_spectral(config)
    _writable(config.project_base_path)
    settings = load_settings()
    LocalApi(settings, lambda text: err.print(text, soft_wrap=True)).ensure()  # before anything is changed
    with open_database(settings) as database:
        setup_project(database, OCT_TREE, project, config)
    from opticstream.tasks.oct_config import save_blocks

    blocks = save_blocks(settings, config)
    if json:
        print_json({"project": project, "blocks": blocks, "config": config.model_dump(mode="json")})
        return
    out.print(f"Project {project}: products go to {config.project_base_path}", soft_wrap=True)
    out.print(f"Prefect blocks: {', '.join(blocks)}", soft_wrap=True)
    out.print(f"Next: opticstream oct watch {project} DIR", soft_wrap=True)


def _assign(fields: dict[str, Any], assignment: str) -> None:
    name, equals, value = assignment.partition("=")
    if not equals:
        raise BadInput("--set", found=repr(assignment), expected="FIELD=VALUE, for example processing.enface_depth=80")
    *path, last = name.split(".")
    for part in path:
        fields = fields.setdefault(part, {})
        if not isinstance(fields, dict):
            raise BadInput("--set", found=repr(name), expected="acquisition.FIELD, processing.FIELD or FIELD")
    fields[last] = [part.strip() for part in value.split(",")] if "," in value else value


def _validated(fields: dict[str, Any]) -> PSOCTScanConfig:
    try:
        return PSOCTScanConfig.model_validate(fields)
    except ValidationError as error:
        raise BadInput(
            "oct setup", found=problems(error), action="`opticstream oct setup --help` lists the options."
        ) from None


def _with_absolute_paths(config: PSOCTScanConfig) -> PSOCTScanConfig:
    """A watch may run in another folder than setup."""
    processing = config.processing
    files = {"calibration_file": processing.calibration_file, "disp_comp_file": processing.disp_comp_file}
    absolute = {name: path.expanduser().absolute() for name, path in files.items() if path is not None}
    return config.model_copy(update={"processing": processing.model_copy(update=absolute)})


def _check_spectral(config: PSOCTScanConfig) -> None:
    if config.acquisition.tile_saving_type == "processed_with_spectral":
        raise BadInput(
            "--tile-saving-type",
            found="processed_with_spectral",
            expected="complex, spectral, spectral_12bit or complex_with_spectral",
            action="Products that the microscope makes itself are not taken over in this version.",
        )
    config.check_spectral()
    from opticstream.imaging.psoct import load_calibration, load_dispersion

    if config.processing.calibration_file is not None:
        load_calibration(config.processing.calibration_file, config.acquisition.spectral_samples)
    if config.processing.disp_comp_file is not None:
        load_dispersion(config.processing.disp_comp_file)


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".opticstream-write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(
            f"--project-base-path {folder}", found=str(error.strerror), expected="a folder this user can write to"
        ) from None
