"""``opticstream lsm setup``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from opticstream.cli.setup_command import Json, Set, save_project, validated, writable
from opticstream.core.lsm_config import LSMScanConfig


def setup(
    project: Annotated[str, typer.Argument(help="Project name.")],
    project_base_path: Annotated[Path, typer.Option(help="Folder of the project; created.")],
    output_path: Annotated[Path | None, typer.Option(help="Folder of the products; none: --project-base-path.")] = None,
    info_file: Annotated[
        Path | None,
        typer.Option(help="MATLAB info file of the camera; none: <strip>_info.mat beside a strip, if it is there."),
    ] = None,
    archive_path: Annotated[
        Path | None, typer.Option(help="Folder for verified copies of the raw files; none: no archive.")
    ] = None,
    strips_per_slice: Annotated[int, typer.Option(help="Strips of a channel of a slice.")] = 100,
    channels_per_slice: Annotated[int, typer.Option(help="Channels (cameras) of a slice.")] = 1,
    strip_overlap: Annotated[float, typer.Option(help="Overlap of neighbouring strips, percent.")] = 10.0,
    cleanup: Annotated[
        str, typer.Option(help="What becomes of raw data once every product is verified: keep, rename or delete.")
    ] = "rename",
    distribute_archive: Annotated[
        bool, typer.Option("--distribute-archive", help="Another host archives: `opticstream lsm serve … archive`.")
    ] = False,
    stitch_volume: Annotated[
        bool, typer.Option("--stitch-volume", help="Also join the strips of a channel into one volume.")
    ] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Create a project, or change its configuration; units that are there are kept."""
    from opticstream.tasks.pipelines import LSM

    fields: dict[str, Any] = {
        "project_name": project,
        "project_base_path": _absolute(project_base_path),
        "output_path": _absolute(output_path),
        "info_file": _absolute(info_file),
        "archive_path": _absolute(archive_path),
        "strips_per_slice": strips_per_slice,
        "channels_per_slice": channels_per_slice,
        "strip_overlap": strip_overlap,
        "strip_cleanup_action": cleanup,
        "distribute_archive": distribute_archive,
        "stitch_volume": stitch_volume,
    }
    config = validated(LSMScanConfig, fields, set_ or (), "lsm setup", {"strip_cleanup_action": "--cleanup"})
    if config.info_file is not None:
        from opticstream.imaging.lsm import read_frame_counts

        read_frame_counts(config.info_file)
    writable("--project-base-path", config.project_base_path)
    writable("--output-path", config.products_path)
    if config.archive_path is not None and not config.distribute_archive:
        writable("--archive-path", config.archive_path)
    save_project(LSM, config, config.products_path, json=json)


def _absolute(path: Path | None) -> Path | None:
    """A watch may run in another folder than setup."""
    return None if path is None else path.expanduser().absolute()
