"""``opticstream modules``: the steps that pipelines are made of."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from opticstream.cli.console import out, print_json, print_line, setup_logging
from opticstream.core.errors import BadInput

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Modules of a session's pipelines: list, show, run by hand."
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
StageOption = Annotated[str | None, typer.Option("--stage", help="pre_acquisition or post_acquisition.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a module.")]


@app.command("list")
def list_(stage: StageOption = None, json: Json = False) -> None:
    """List the installed modules, ours and those of other packages."""
    from opticstream.rig.modules import list_modules
    from opticstream.rig.modules.module import STAGES

    modules = list_modules(_stage(stage) if stage else None)
    if json:
        print_json({"modules": [_row(module) for module in modules]})
        return
    table = Table(Column("module", no_wrap=True), "before", "after", "what it does")
    for module in modules:
        marks = ["yes" if one in module.stages else "" for one in STAGES]
        table.add_row(Text(module.name), *marks, Text(_plain(module.summary)))
    out.print(table)


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Show what a module does and which parameters it reads.

    Exit code: 0; 2 when there is no such module, or it cannot be imported.
    """
    from opticstream.rig.modules import describe

    description = describe(_module(name, None))
    if json:
        from dataclasses import asdict

        print_json(asdict(description))
        return
    head = f"{description.name}  ({', '.join(description.stages)}; {description.distribution})"
    out.print(Text(head, style="bold"))
    for paragraph in (description.summary, *description.text.split("\n\n")):
        out.print(Text(" ".join(_plain(paragraph).split())))
    if not description.parameters:
        return
    table = Table(Column("parameter", no_wrap=True), "type", "default", "meaning")
    for one in description.parameters:
        spelled = f"\nalso {', '.join(one.spellings)}" if one.spellings else ""
        default = "required" if one.required else one.default
        table.add_row(Text(one.name + spelled), Text(one.type), Text(default), Text(_plain(one.description)))
    out.print(table)


@app.command()
def run(
    name: Name,
    session: Annotated[Path, typer.Option("--session", metavar="DIR", help="Folder of a session that is there.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A value over the session's parameters.")
    ] = None,
    stage: StageOption = None,
    operator: Annotated[
        str, typer.Option("--operator", help="Who answers: auto, terminal, headless, or a file of answers.")
    ] = "auto",
    json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Run one module by hand on a session's folder, with the session's parameters.

    What it writes goes into that folder; processed_parameters.json and end_state.json stay as they are.

    Exit code: 0; 1 when the module failed; 2 for bad input; 130 when interrupted.
    """
    from opticstream.core.settings import load_settings
    from opticstream.rig import PipelineEntry, parse_assignments
    from opticstream.rig.modules import run_entry, session_context
    from opticstream.rig.operators import make_operator

    setup_logging(verbose=verbose)
    module = _module(name, stage)
    where = _stage(stage) if stage else module.stages[0]
    module.check(where)
    context = session_context(
        session,
        where,
        name,
        operator=make_operator(operator),
        settings=load_settings(),
        overrides=parse_assignments(set_ or []),
    )
    if module.parameters:
        context.read(module.parameters)
    result = run_entry(PipelineEntry(module_path=name), module, context)
    if json:
        from opticstream.rig.plain_json import plain

        data = {"values": result.values, "experiment_data": result.experiment_data}
        print_json({"module": name, "success": result.success, "message": result.message} | plain(data))
    else:
        text = f"{name}: {'done' if result.success else 'failed'}{f', {result.message}' if result.message else ''}"
        print_line(text)
    if not result.success:
        raise typer.Exit(1)


def _stage(text: str) -> Any:
    from opticstream.rig.modules.module import STAGES

    for stage in STAGES:
        if text in (stage, stage.partition("_")[0]):
            return stage
    raise BadInput("--stage", found=repr(text), expected=" or ".join(STAGES))


def _module(name: str, stage: str | None) -> Any:
    from opticstream.rig.modules import find_module, list_modules

    if stage:
        return find_module(_stage(stage), name)
    own = [module.stages[0] for module in list_modules() if module.name == name]
    return find_module(own[0] if own else "pre_acquisition", name)


def _plain(text: str) -> str:
    return text.replace("`", "")


def _row(module: Any) -> dict[str, Any]:
    return {
        "name": module.name,
        "stages": list(module.stages),
        "summary": module.summary,
        "distribution": module.distribution,
        "target": module.target,
    }
