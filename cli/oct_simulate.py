"""``opticstream oct simulate``."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from opticstream.cli.console import err, print_json, print_line
from opticstream.core.errors import BadInput
from opticstream.core.scan_config import SpectralLayout

if TYPE_CHECKING:
    from opticstream.imaging.oct_simulator import SimulationSpec


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that receives the tiles; created.")],
    mosaics: Annotated[int, typer.Option(min=1, help="Mosaics to write.")] = 1,
    batches: Annotated[int, typer.Option(min=1, help="Batches per mosaic.")] = 2,
    tiles_per_batch: Annotated[int, typer.Option(min=1, help="Tiles per batch.")] = 3,
    shape: Annotated[str, typer.Option(help="A-lines x B-lines x depth of a tile.")] = "64x64x128",
    kind: Annotated[
        str, typer.Option(help="What is saved per tile: complex, spectral, spectral_12bit or complex_with_spectral.")
    ] = "complex",
    spectral_layout: Annotated[
        str, typer.Option(help="Order of spectral files: aline_fastest or sample_fastest.")
    ] = "aline_fastest",
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
        spectral_layout=_layout(spectral_layout),
        seed=seed,
        interval_s=interval_s,
        slow_write=slow_write,
    )
    total = mosaics * batches * tiles_per_batch * (2 if kind == "complex_with_spectral" else 1)
    done = 0

    def count(path: Path) -> None:
        nonlocal done
        done += 1
        if not json:
            print_line(f"{done}/{total} {path.name}", err)

    files = simulate_oct(folder, spec, on_file=count)
    options = _setup_options(folder, spec)
    if json:
        print_json({"folder": str(folder), "files": [str(path) for path in files], "setup_options": options})
        return
    print_line(f"{len(files)} files in {folder}; ground truth in {folder / 'ground_truth'}")
    if options:
        print_line(f"Set the project up with: {shlex.join(options)}")


def _setup_options(folder: Path, spec: "SimulationSpec") -> list[str]:
    """Return what `opticstream oct setup` must be told of these tiles."""
    from opticstream.imaging.oct_spectral_simulator import CALIBRATION_FILE, DISPERSION_FILE

    spectrometer = spec.spectrometer
    if spectrometer is None:
        return []
    options = [
        *("--tile-saving-type", spec.kind, "--spectral-layout", spec.spectral_layout),
        *("--calibration-file", str(folder / CALIBRATION_FILE), "--disp-comp-file", str(folder / DISPERSION_FILE)),
        *("--set", f"acquisition.spectral_samples={spectrometer.samples}"),
    ]
    if spectrometer.packing is not None:  # files without a header
        nx, ny, _ = spec.shape
        sizes = {"tile_size_x_normal": nx, "tile_size_x_tilted": nx, "tile_size_y": ny}
        options += ["--spectral-packing", spectrometer.packing]
        options += [part for name, size in sizes.items() for part in ("--set", f"acquisition.{name}={size}")]
    return options


def _layout(text: str) -> SpectralLayout:
    layouts: dict[str, SpectralLayout] = {name: name for name in get_args(SpectralLayout)}
    if text in layouts:
        return layouts[text]
    raise BadInput("--spectral-layout", found=repr(text), expected="aline_fastest or sample_fastest")


def _shape(text: str) -> tuple[int, int, int]:
    try:
        x, y, z = (int(part) for part in text.lower().replace(",", "x").split("x"))
    except ValueError:
        raise BadInput("--shape", found=repr(text), expected="three numbers, for example 64x64x128") from None
    if min(x, y, z) < 8:
        raise BadInput("--shape", found=text, expected="at least 8 in each direction")
    return x, y, z
