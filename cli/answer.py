"""``opticstream answer``: what a session that runs in Prefect asks, from any terminal."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from opticstream.cli.console import err, out, print_json, print_line, setup_logging
from opticstream.core.errors import BadInput, ServerUnavailable
from opticstream.core.settings import load_settings

if TYPE_CHECKING:
    from opticstream.deployments.paused_runs import PausedRun, PausedRuns

app = typer.Typer(add_completion=False, help="Answer what a session that runs in Prefect asks.")


@app.command()
def answer(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] [KEY=VALUE]",
            help="Flow run (name or id, the beginning is enough; none: the only one that waits), and the answer.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show every run that waits, and what it asks.")] = False,
    wait_s: Annotated[
        float, typer.Option("--wait-s", min=0, help="Seconds to wait until the session has looked at the answer.")
    ] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Show what a paused run asks, and answer it.

    Without an answer the question is shown, and asked here when this is a terminal. Exit code: 0; 1 when the answer
    was not taken, which says why; 2 for a run that waits for nothing, or a key it does not ask for.
    """
    setup_logging()
    wanted, values = _parsed(words or [])
    with _paused_runs() as runs:
        run = None if list_ else _chosen(runs, wanted, values)
        if run is None:
            _list(runs.all(), json=json)
            return
        if not values:
            values = {} if json else _asked(run)
        if not values:
            _show(run, json=json)
            return
        reason = runs.answer(run, values, wait_s)
    key = run.form.question.key
    if json:
        print_json({"run": run.name, "id": str(run.id), "key": key, "taken": not reason, "reason": reason})
    elif reason:
        print_line(f"not taken: {reason}", err)
    else:
        print_line(f"{run.name}: {key} = {values[key]}: taken")
    if reason:
        raise typer.Exit(1)


def _parsed(words: list[str]) -> tuple[str | None, dict[str, str]]:
    """Return the run and the values; a word with ``=`` is a value."""
    wanted = words[0] if words and "=" not in words[0] else None
    values = {}
    for word in words[1:] if wanted is not None else words:
        key, sign, value = word.partition("=")
        if not sign or not key.strip():
            raise BadInput("answer", found=repr(word), expected="KEY=VALUE", action="For example mouse_weight=25.3.")
        values[key.strip()] = value
    return wanted, values


def _paused_runs() -> "PausedRuns":
    from opticstream.deployments.api import find_api, use_api
    from opticstream.deployments.server import api_healthy

    settings = load_settings()
    url = find_api(settings).url
    if url is None or not api_healthy(url):
        raise ServerUnavailable(
            f"Prefect API {url or ''}".strip(),
            found="no answer" if url else "none that runs or is configured",
            expected="the one in which the session runs",
            action="Set PREFECT_API_URL to its address.",
        )
    use_api(settings, url)
    from opticstream.deployments.paused_runs import PausedRuns

    return PausedRuns(url)


def _chosen(runs: "PausedRuns", wanted: str | None, values: dict[str, str]) -> "PausedRun | None":
    """Return the run that is meant; None: the list is to be shown."""
    if wanted is not None:
        return runs.find(wanted)
    waiting = runs.all()
    if len(waiting) == 1:
        return waiting[0]
    if values:
        found = ", ".join(run.name for run in waiting) or "no run that waits for an answer"
        raise BadInput("answer", found=found, expected="one run that waits, or its name before the values")
    return None


def _asked(run: "PausedRun") -> dict[str, str]:
    """Ask at the terminal; return nothing where there is none."""
    import sys
    from datetime import UTC, datetime

    from opticstream.rig.operators import TerminalOperator

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return {}
    question = run.form.question
    if run.form.reason:
        print_line(f"Not taken before: {run.form.reason}", err)
    expires = run.form.expires_at
    left_s = None if expires is None else max(0.0, round((expires - datetime.now(UTC)).total_seconds()))
    return {question.key: question.shown(TerminalOperator().ask(question, left_s))}


def _facts(run: "PausedRun") -> dict[str, Any]:
    form, question = run.form, run.form.question
    return {
        "run": run.name,
        "id": str(run.id),
        "key": question.key,
        "text": question.text,
        "kind": question.kind,
        "expected": form.hint,
        "choices": list(form.choices),
        "default": question.default,
        "required": question.required,
        "reason": form.reason,
        "expires_at": form.expires_at.isoformat() if form.expires_at else None,
    }


def _show(run: "PausedRun", *, json: bool) -> None:
    if json:
        print_json(_facts(run))
        return
    facts = _facts(run)
    lines = [f"{run.name} asks: {facts['text']}"]
    if facts["reason"]:
        lines.append(f"The last answer was not taken: {facts['reason']}")
    lines.append(f"Answer with: opticstream answer {run.name} {facts['key']}=VALUE  ({facts['expected']})")
    for line in lines:
        print_line(line)


def _list(waiting: "list[PausedRun]", *, json: bool) -> None:
    if json:
        print_json({"runs": [_facts(run) for run in waiting]})
        return
    if not waiting:
        out.print("No run waits for an answer.")
        return
    table = Table("run", "id", "key", "question", "answer")
    for run in waiting:
        facts = _facts(run)
        table.add_row(*map(Text, (run.name, facts["id"][:8], facts["key"], facts["text"], facts["expected"])))
    out.print(table)
