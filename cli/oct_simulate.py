"""``opticstream oct simulate``."""

from pathlib import Path
from typing import Annotated

import typer

from opticstream.cli.console import err, out, print_json
from opticstream.core.errors import BadInput


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that receives the tiles; created.")],
    mosaics: Annotated[int, typer.Option(min=1, help="Mosaics to write.")] = 1,
    batches: Annotated[int, typer.Option(min=1, help="Batches per mosaic.")] = 2,
    tiles_per_batch: Annotated[int, typer.Option(min=1, help="Tiles per batch.")] = 3,
    shape: Annotated[str, typer.Option(help="A-lines x B-lines x depth of a tile.")] = "64x64x128",
    kind: Annotated[str, typer.Option(help="What a tile holds: complex.")] = "complex",
    seed: Annotated[int, typer.Option(help="The same seed gives the same tissue.")] = 0,
    interval_s: Annotated[float, typer.Option(min=0, help="Seconds between tiles.")] = 0.0,
    slow_write: Annotated[bool, typer.Option("--slow-write", help="Write files in pieces, as a microscope does.")] = (
        False
    ),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Write the tiles of a simulated microscope, with the ground truth beside them."""
    from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct

    spec = SimulationSpec(
        mosaics=mosaics,
        batches=batches,
        tiles_per_batch=tiles_per_batch,
        shape=_shape(shape),
        kind=kind,
        seed=seed,
        interval_s=interval_s,
        slow_write=slow_write,
    )
    total = mosaics * batches * tiles_per_batch
    done = 0

    def count(path: Path) -> None:
        nonlocal done
        done += 1
        if not json:
            err.print(f"{done}/{total} {path.name}", highlight=False)

    files = simulate_oct(folder, spec, on_file=count)
    if json:
        print_json({"folder": str(folder), "files": [str(path) for path in files]})
    else:
        out.print(f"{len(files)} tiles in {folder}; ground truth in {folder / 'ground_truth'}", soft_wrap=True)


def _shape(text: str) -> tuple[int, int, int]:
    try:
        x, y, z = (int(part) for part in text.lower().replace(",", "x").split("x"))
    except ValueError:
        raise BadInput("--shape", found=repr(text), expected="three numbers, for example 64x64x128") from None
    if min(x, y, z) < 8:
        raise BadInput("--shape", found=text, expected="at least 8 in each direction")
    return x, y, z
