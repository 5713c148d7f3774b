"""``opticstream oct process``: one batch by hand."""

from pathlib import Path
from typing import Annotated

import typer

from opticstream.cli.console import err, out, print_json, setup_logging
from opticstream.core.errors import BadInput
from opticstream.core.identifiers import BatchId
from opticstream.core.settings import load_settings


def process(
    project: Annotated[str, typer.Argument(help="Project name.")],
    unit: Annotated[str, typer.Argument(help="The batch: SLICE/MOSAIC/BATCH, for example 1/1/2.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Its raw tiles; none: those the watcher registered.")
    ] = None,
    force_rerun: Annotated[bool, typer.Option("--force-rerun", help="Also when it is done or has failed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Process one batch now, in this process; a batch that is done is left as it is."""
    from opticstream.deployments.api import LocalApi
    from opticstream.state import OCT_TREE
    from opticstream.state.selection import parse_unit

    setup_logging()
    ident = parse_unit(OCT_TREE, project, unit)
    if not isinstance(ident, BatchId):
        raise BadInput("UNIT", found=repr(unit), expected="SLICE/MOSAIC/BATCH")
    LocalApi(load_settings(), lambda text: err.print(text, soft_wrap=True)).ensure()
    from opticstream.flows.process_tile_batch import process_tile_batch

    names = [str(path.absolute()) for path in files or ()]
    result = process_tile_batch(project, ident.mosaic, ident.batch, names, force_rerun)
    if json:
        print_json(result)
    else:
        out.print(f"{ident}: {result['outcome']}, {len(result['products'])} files", soft_wrap=True)
