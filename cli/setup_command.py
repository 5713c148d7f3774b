"""What every ``setup`` command does once its options are read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from opticstream.cli.console import err, print_json, print_line
from opticstream.core.errors import BadInput
from opticstream.core.settings import load_settings
from opticstream.core.validation import problems

if TYPE_CHECKING:
    from opticstream.tasks.pipelines import Pipeline

M = TypeVar("M", bound=BaseModel)

Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other field: FIELD=VALUE, also of a part, as in part.field=1. May be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def validated(
    model: type[M],
    fields: dict[str, Any],
    assignments: Iterable[str],
    command: str,
    options: Mapping[str, str] | None = None,
) -> M:
    """Return the configuration of the options, ``--set`` over them.

    Args:
        model: of the configuration.
        fields: what the options say.
        assignments: of ``--set``.
        command: for the error.
        options: fields whose option has another name → that option.

    Raises:
        BadInput: naming every field that is wrong.
    """
    for assignment in assignments:
        _assign(fields, assignment)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise BadInput(
            command,
            found=problems(error, lambda field: (options or {}).get(field, field)),
            action=f"`opticstream {command} --help` lists the options.",
        ) from None


def _assign(fields: dict[str, Any], assignment: str) -> None:
    name, equals, value = assignment.partition("=")
    if not equals:
        raise BadInput("--set", found=repr(assignment), expected="FIELD=VALUE, or PART.FIELD=VALUE")
    *path, last = name.split(".")
    for part in path:
        fields = fields.setdefault(part, {})
        if not isinstance(fields, dict):
            raise BadInput("--set", found=repr(name), expected="FIELD, or PART.FIELD of a part that has fields")
    fields[last] = [part.strip() for part in value.split(",")] if "," in value else value


def writable(option: str, folder: Path) -> None:
    """Create a folder if need be, and try to write to it.

    Raises:
        BadInput: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".opticstream-write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(
            f"{option} {folder}", found=str(error.strerror), expected="a folder this user can write to"
        ) from None


def save_project(pipeline: "Pipeline[Any]", config: Any, products: Path, *, json: bool) -> None:
    """Save a project's configuration to the store and to its Prefect blocks, and tell the operator.

    Args:
        pipeline: the project's.
        config: its configuration.
        products: folder of its products.
        json: print one JSON object.
    """
    from opticstream.deployments.api import LocalApi
    from opticstream.state import open_database, setup_project

    settings, project, name = load_settings(), config.project_name, pipeline.tree.pipeline
    LocalApi(settings, lambda text: err.print(text, soft_wrap=True)).ensure()  # before anything is changed
    with open_database(settings) as database:
        setup_project(database, pipeline.tree, project, config)
    blocks = pipeline.save_blocks(settings, config)
    if json:
        print_json({"project": project, "blocks": blocks, "config": config.model_dump(mode="json")})
        return
    print_line(f"Project {project}: products go to {products}")
    print_line(f"Prefect blocks: {', '.join(blocks)}")
    print_line(f"Next: opticstream {name} watch {project} DIR")
