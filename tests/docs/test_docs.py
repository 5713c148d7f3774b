"""The documentation is true: links lead somewhere, code imports what exists, commands and options exist."""

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest
import typer.main

from opticstream.core.settings import Settings
from support.markdown import Block, anchors, blocks, commands, links
from support.repository import ROOT, tracked

PAGES = tracked("*.md")
GENERATED = ROOT / "docs" / "reference" / "cli.md"
MADE = {
    "cli_reference.py": GENERATED,
    "module_reference.py": ROOT / "docs" / "reference" / "modules.md",
    "parameter_reference.py": ROOT / "docs" / "reference" / "parameters.md",
}


def _place(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


@pytest.fixture(scope="module")
def command_line() -> Any:
    from opticstream.cli.main import app

    return typer.main.get_command(app)


def _complaint(command: Any, arguments: list[str]) -> str | None:
    """Return what is wrong with a call, without running it."""
    rest = list(arguments)
    while hasattr(command, "list_commands"):
        name = next((word for word in rest if not word.startswith("-")), None)
        if name is None:
            return None  # `opticstream --version`
        child = command.get_command(None, name)
        if child is None and hasattr(command, "default_command"):
            rest.insert(0, command.default_command)
            continue
        if child is None:
            return f"no command {name!r}, only {', '.join(command.list_commands(None))}"
        command, rest = child, rest[rest.index(name) + 1 :]
    context = command.make_context(command.name, [], resilient_parsing=True)
    context.resilient_parsing = False
    try:
        values, extra, _ = command.make_parser(context).parse_args(args=list(rest))
    except Exception as error:
        return str(error)
    missing = [p.name for p in command.params if p.required and values.get(p.name) in (None, (), [])]
    if missing and "--help" not in rest:
        return f"missing {', '.join(missing)}"
    return f"too many arguments: {extra}" if extra else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    assert not dead, f"{page.relative_to(ROOT)}: dead links {dead}"


def test_python_in_the_docs_is_true() -> None:
    """It compiles, and all it imports exists."""
    for block in (b for page in PAGES for b in blocks(page) if b.language in {"python", "py"}):
        tree = ast.parse(block.text, _place(block))
        imports: list[ast.stmt] = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
        exec(compile(ast.Module(imports, []), _place(block), "exec"), {})


def test_commands_in_the_docs_exist(command_line: Any) -> None:
    calls = [
        (block, call)
        for page in PAGES
        if page != GENERATED
        for block in blocks(page)
        for call in commands(block, "opticstream")
    ]
    assert calls
    wrong = [
        f"{_place(block)}: opticstream {' '.join(call)}: {complaint}"
        for block, call in calls
        if (complaint := _complaint(command_line, call))
    ]
    assert not wrong, "\n".join(wrong)


def test_make_targets_in_the_docs_exist() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    twin = (ROOT / "make.ps1").read_text("utf-8")
    for page in PAGES:
        for block in blocks(page):
            for call in commands(block, "make"):
                target = next((word for word in call if "=" not in word), "help")
                assert f"\n{target}:" in text, f"{_place(block)}: make {target}"
            for call in commands(block, "make.ps1"):
                assert f'"{call[0]}"' in twin, f"{_place(block)}: make.ps1 {call[0]}"


def test_make_and_its_powershell_twin_have_the_same_targets() -> None:
    lines = (ROOT / "Makefile").read_text("utf-8").splitlines()
    targets = {line.partition(":")[0] for line in lines if ": " in line and "## " in line}
    twin = (ROOT / "make.ps1").read_text("utf-8")
    assert {name for name in targets if f'    "{name}" {{' not in twin} == set()


@pytest.mark.parametrize("script", MADE)
def test_reference_says_what_the_code_says(script: str) -> None:
    found = runpy.run_path(str(ROOT / "scripts" / script))
    page = MADE[script]
    current = page.read_text("utf-8") if page.is_file() else ""
    assert found["render"]() == current, "run `make docs`"


def test_every_setting_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    missing = [name for name in Settings.model_fields if f"OPTICSTREAM_{name.upper()}" not in page]
    assert not missing, f"docs/reference/settings.md does not name {missing}"


def test_decisions_have_their_four_parts() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert records
    for record in records:
        headings = {"status", "context", "decision", "consequences"}
        assert headings <= anchors(record), f"{record.name}: expected headings {sorted(headings)}"


def test_site_lists_every_page() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES if (ROOT / "docs") in page.parents]
    assert [page for page in pages if page not in nav] == []
