"""``opticstream lsm simulate``."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from opticstream.cli.console import err, print_json, print_line
from opticstream.core.errors import BadInput

_LARGEST_SIDE = 65535


def simulate(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Acquisition folder that receives the strips; created.")
    ],
    slices: Annotated[int, typer.Option(min=1, help="Slices to write.")] = 1,
    strips: Annotated[int, typer.Option(min=1, help="Strips per slice and channel.")] = 2,
    channels: Annotated[int, typer.Option(min=1, max=2, help="Cameras; folders of the second have _C2.")] = 1,
    shape: Annotated[str, typer.Option(help="Camera rows x camera columns x frames of a strip.")] = "96x256x256",
    frames_per_file: Annotated[int, typer.Option(min=1, help="Frames per spool file.")] = 32,
    overlap_percent: Annotated[float, typer.Option(help="Overlap of neighbouring strips, percent.")] = 10.0,
    jitter: Annotated[int, typer.Option(min=0, help="Most voxels by which a strip is off its place.")] = 0,
    pixel_encoding: Annotated[str, typer.Option(help="Mono16 or Mono8.")] = "Mono16",
    info_file: Annotated[str, typer.Option(help="MATLAB info file: none, project or strip.")] = "none",
    background_frames: Annotated[int, typer.Option(min=0, help="Dark frames at the end; needs an info file.")] = 0,
    first_slice: Annotated[int, typer.Option(min=1, help="Number of the first slice.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    interval_s: Annotated[float, typer.Option(min=0, help="Seconds between strips.")] = 0.0,
    slow_write: Annotated[bool, typer.Option("--slow-write", help="Write files in pieces, as a camera does.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Write the strips of a simulated light-sheet microscope, with the ground truth beside them."""
    from opticstream.imaging.lsm_camera import PixelEncoding
    from opticstream.imaging.lsm_simulation_spec import InfoFile, LSMSimulationSpec
    from opticstream.imaging.lsm_simulator import simulate_strips

    rows, columns, frames = _shape(shape)
    encodings: dict[str, PixelEncoding] = {name: name for name in get_args(PixelEncoding)}
    infos: dict[str, InfoFile] = {name: name for name in get_args(InfoFile)}
    if pixel_encoding not in encodings:
        raise BadInput("--pixel-encoding", found=repr(pixel_encoding), expected=" or ".join(encodings))
    if info_file not in infos:
        raise BadInput("--info-file", found=repr(info_file), expected=", ".join(infos))
    if folder.exists() and not folder.is_dir():
        raise BadInput("OUT", found=f"{folder}, a file", expected="a folder, or a name that is free")
    spec = LSMSimulationSpec(
        slices=slices,
        strips=strips,
        channels=channels,
        rows=rows,
        columns=columns,
        frames=frames,
        frames_per_file=frames_per_file,
        overlap_percent=overlap_percent,
        jitter=jitter,
        pixel_encoding=encodings[pixel_encoding],
        info_file=infos[info_file],
        background_frames=background_frames,
        first_slice=first_slice,
        seed=seed,
        interval_s=interval_s,
        slow_write=slow_write,
    )
    written = []
    for strip in simulate_strips(folder, spec):
        written.append(strip)
        if not json:
            print_line(f"{len(written)}/{slices * channels * strips} {strip.name}", err)
    if json:
        print_json({"folder": str(folder), "strips": [str(path) for path in written]})
        return
    print_line(f"{len(written)} strips in {folder}; ground truth in {folder / 'ground_truth.json'}")


def _shape(text: str) -> tuple[int, int, int]:
    try:
        rows, columns, frames = (int(part) for part in text.lower().replace(",", "x").split("x"))
    except ValueError:
        raise BadInput("--shape", found=repr(text), expected="three numbers, for example 96x256x256") from None
    if min(rows, columns, frames) < 1 or max(rows, columns) > _LARGEST_SIDE:
        expected = f"numbers from 1, rows and columns up to {_LARGEST_SIDE}"
        raise BadInput("--shape", found=repr(text), expected=expected)
    return rows, columns, frames
