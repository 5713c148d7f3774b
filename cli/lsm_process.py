"""``opticstream lsm process``: one strip by hand."""

from pathlib import Path
from typing import Annotated

import typer

from opticstream.cli.console import err, print_json, print_line, setup_logging
from opticstream.cli.step_bar import StepBar
from opticstream.core.errors import BadInput
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.settings import load_settings

_SAID = {
    "done": "done already; --force-rerun does it again",
    "held": "another process works on it",
    "backoff": "the worker that had it died a moment ago; try again in a few minutes, or at once with --force-rerun",
    "early": "nothing to do here; a stage of another host comes first",
}


def process(
    project: Annotated[str, typer.Argument(help="Project name.")],
    strip_dir: Annotated[Path, typer.Argument(metavar="STRIP_DIR", help="The strip's raw folder, for example Run1_2.")],
    unit: Annotated[
        str | None, typer.Option(help="SLICE/CHANNEL/STRIP, where the folder's name does not say it.")
    ] = None,
    slice_offset: Annotated[int, typer.Option(help="Slices to add to those in the names.")] = 0,
    force_rerun: Annotated[bool, typer.Option("--force-rerun", help="Also when it is done or has failed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Process one strip now, in this process; a strip that is done is left as it is."""
    from opticstream.deployments.api import LocalApi
    from opticstream.tasks.pipelines import LSM

    setup_logging()
    folder = strip_dir.expanduser().absolute()
    if not folder.is_dir():
        raise BadInput("STRIP_DIR", found=str(strip_dir), expected="a strip's raw folder")
    ident = _ident(project, folder.name, unit, slice_offset)
    with LSM.open_project(project) as (_, config):
        _check_place(ident, config)
    LocalApi(load_settings(), lambda text: err.print(text, soft_wrap=True)).ensure()
    from opticstream.flows.process_strip import process_strip
    from opticstream.tasks.progress import progress_to
    from opticstream.tasks.strip_cleanup import raw_data_in_words

    with StepBar() as bar, progress_to(bar.show):
        result = process_strip(project, ident.slice, ident.channel, ident.strip, str(folder), force_rerun)
    if json:
        print_json(result)
        return
    outcome = result["outcome"]
    print_line(f"{ident}: {_SAID.get(outcome, outcome)}")
    for name, path in _named(result["products"]):
        print_line(f"  {name}: {path}")
    if "raw" in result:
        print_line(f"  raw data: {raw_data_in_words(result['raw'])}")


def _ident(project: str, name: str, unit: str | None, slice_offset: int) -> StripId:
    from opticstream.state import LSM_TREE
    from opticstream.state.selection import parse_unit
    from opticstream.watch.strip_name import StripName

    if unit is not None:
        ident = parse_unit(LSM_TREE, project, unit)
        if isinstance(ident, StripId):
            return ident
        raise BadInput("--unit", found=repr(unit), expected="SLICE/CHANNEL/STRIP")
    try:
        parsed = StripName.parse(name, "*")
    except BadInput:
        parsed = None
    if parsed is None:
        raise BadInput(
            "STRIP_DIR",
            found=repr(name),
            expected="a name such as Run1, Run1_2 or Run1_C2_2",
            action="Say with --unit SLICE/CHANNEL/STRIP which strip it is.",
        )
    number = parsed.run + slice_offset
    if not 1 <= number <= 999_999_999:
        raise BadInput("--slice-offset", found=f"{slice_offset} for run {parsed.run}", expected="a slice from 1")
    return StripId(project=project, slice=number, channel=parsed.channel, strip=parsed.strip)


def _check_place(ident: StripId, config: LSMScanConfig) -> None:
    """Refuse what the watcher would leave out: a channel would be joined without it."""
    if ident.strip > config.strips_per_slice:
        raise BadInput(
            "STRIP_DIR",
            found=f"strip {ident.strip}",
            expected=f"1 to {config.strips_per_slice}, which is strips_per_slice of {ident.project}",
            action="Set the project up again, or say with --unit which strip it is.",
        )


def _named(products: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    made = products.get("compress", {})
    archived = products.get("archive", {})
    return [
        (name, path)
        for name, path in (("zarr", made.get("zarr")), ("mip", made.get("mip")), ("archive", archived.get("folder")))
        if path
    ]
