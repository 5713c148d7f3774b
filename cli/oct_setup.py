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
    tile_saving_type: Annotated[str, typer.Option(help="What is saved per tile: complex.")] = "complex",
    mosaics_per_slice: Annotated[int, typer.Option(help="Illuminations per slice: 2 or 3.")] = 2,
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
    }
    fields: dict[str, Any] = {
        "project_name": project,
        "project_base_path": project_base_path.expanduser().absolute(),
        "mosaics_per_slice": mosaics_per_slice,
        "acquisition": acquisition,
        "processing": {},
    }
    for assignment in set_ or ():
        _assign(fields, assignment)
    config = _validated(fields)
    _refuse_spectral(config)
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


def _refuse_spectral(config: PSOCTScanConfig) -> None:
    saving_type = config.acquisition.tile_saving_type
    if saving_type != "complex":
        raise BadInput(
            "--tile-saving-type",
            found=saving_type,
            expected="complex",
            action="Spectral tiles need the reconstruction from spectra, which this version does not have yet.",
        )


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
