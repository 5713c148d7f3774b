"""The house keeps its order: what is shipped, what is exported, what is locked, what must not be written down."""

import ast
import hashlib
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.repository import ROOT, pyproject, tracked

ROOMS_WITH_PREFECT = {"cli", "deployments", "flows", "tasks"}
LONGEST_FILE = 400
SHORTEST_DUPLICATE = 5
"""Statements in a row that, standing in two places, belong in one piece."""

LOCKS = {"requirements.txt": (), "requirements-dev.txt": ("dev",)}


def _rooms() -> set[str]:
    """Return the folders that are top-level rooms of the package."""
    folders: dict[str, str] = pyproject()["tool"]["setuptools"]["package-dir"]
    return {folder for folder in folders.values() if not folder.startswith("_")}


def test_every_package_folder_is_mapped_and_shipped() -> None:
    table = pyproject()["tool"]["setuptools"]
    mapped = {folder: name for name, folder in table["package-dir"].items()}
    found = {
        ".".join((name, *init.parent.relative_to(ROOT / folder).parts))
        for folder, name in mapped.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert sorted(found) == sorted(table["packages"]), (
        "tool.setuptools.packages must name every folder that has an __init__.py"
    )


def test_every_python_file_of_a_room_is_in_a_package() -> None:
    homeless = {
        str(file.parent.relative_to(ROOT))
        for room in _rooms()
        for file in tracked(f"{room}/*.py")
        if not (file.parent / "__init__.py").is_file()
    }
    assert not homeless, f"without an __init__.py these folders are not shipped: {sorted(homeless)}"


def test_rules_name_every_room() -> None:
    """A new room joins the ban on its bare name, and on Prefect unless it is one of those with Prefect."""
    tool = pyproject()["tool"]
    imports = tool["ruff"]["lint"]["flake8-tidy-imports"]
    assert imports["ban-relative-imports"] == "all"
    assert _rooms() <= set(imports["banned-api"]), "tool.ruff.lint.flake8-tidy-imports.banned-api must name every room"
    prefect = next(c for c in tool["importlinter"]["contracts"] if c.get("forbidden_modules") == ["prefect"])
    assert {f"opticstream.{room}" for room in _rooms() - ROOMS_WITH_PREFECT} == set(prefect["source_modules"])


def _public_packages() -> list[str]:
    return sorted(pyproject()["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("package", _public_packages())
def test_exports_are_complete(package: str) -> None:
    """What an ``__init__`` imports it also exports; RUF022 keeps the order."""
    module = importlib.import_module(package)
    source = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in source.body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("opticstream")
        and node.module != "opticstream.core.lazy_exports"
        for alias in node.names
    }
    exported = list(getattr(module, "__all__", ()))
    assert {name for name in imported if not name.startswith("_")} <= set(exported)
    assert len(exported) == len(set(exported))
    assert [name for name in exported if not hasattr(module, name)] == []


def test_no_file_holds_more_than_one_concept() -> None:
    long = {str(file.relative_to(ROOT)): _lines(file) for file in tracked("*.py") if _lines(file) > LONGEST_FILE}
    assert not long, f"files over {LONGEST_FILE} lines: {long}"


def _lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if (
                isinstance(block, list)
                and block
                and isinstance(block[0], ast.stmt)
                and not isinstance(node, ast.Module)
            ):
                yield block


def _runs(block: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Yield (line, digest) of every stretch of statements long enough to be worth a name."""
    sizes = [sum(isinstance(n, ast.stmt) for n in ast.walk(statement)) for statement in block]
    dumps = [ast.dump(statement) for statement in block]
    for start in range(len(block)):
        total = 0
        for end in range(start, len(block)):
            total += sizes[end]
            if total >= SHORTEST_DUPLICATE:
                yield block[start].lineno, hashlib.sha256("\n".join(dumps[start : end + 1]).encode()).hexdigest()
                break


def test_nothing_is_written_twice() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for file in tracked("*.py"):
        for block in _blocks(ast.parse(file.read_text("utf-8"))):
            for line, digest in _runs(block):
                places[digest].add(f"{file.relative_to(ROOT)}:{line}")
    twice = sorted(" = ".join(sorted(found)) for found in places.values() if len(found) > 1)
    assert not twice, "the same statements stand in two places:\n" + "\n".join(twice)


def _locked(file: str) -> dict[str, set[str]]:
    """Return the locked versions by name; a marker may split one name into two versions."""
    versions: dict[str, set[str]] = defaultdict(set)
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", (ROOT / file).read_text("utf-8"), re.MULTILINE
    ):
        versions[canonicalize_name(name)].add(version)
    return versions


def _direct(groups: tuple[str, ...]) -> Iterator[Requirement]:
    table = pyproject()
    yield from map(Requirement, table["project"]["dependencies"])
    for group in groups:
        for entry in table["dependency-groups"][group]:
            if isinstance(entry, str):
                yield Requirement(entry)
            else:
                yield from _direct((entry["include-group"],))


@pytest.mark.parametrize("file", LOCKS)
def test_lock_is_in_step(file: str) -> None:
    locked = _locked(file)
    for requirement in _direct(LOCKS[file]):
        versions = locked[canonicalize_name(requirement.name)]
        fits = versions and all(requirement.specifier.contains(version, prereleases=True) for version in versions)
        assert fits, f"{file}: expected {requirement}, found {versions or 'nothing'}; run `make lock`"


@pytest.mark.parametrize("file", LOCKS)
def test_lock_has_hashes_and_names_no_registry(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert text.count("://") == 0
    entries = [part for part in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE) if "==" in part]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_both_locks_agree() -> None:
    runtime, development = (_locked(file) for file in LOCKS)
    assert {name: found for name, found in runtime.items() if development[name] != found} == {}


def test_no_machine_or_registry_is_written_down() -> None:
    """Paths of the machine this runs on, and addresses of package registries, stay out of the repository."""
    paths = {str(ROOT), str(Path.home())} - {"/"}
    machine = "|".join(rf"""["'= ]{re.escape(path)}/""" for path in sorted(paths))
    hosts = "|".join(re.escape(host) for host in ("pypi" + ".org", "python" + "hosted.org", "anaconda" + ".org"))
    unwanted = re.compile(rf"""{machine}|{hosts}|://[^\s"']*/simple\b""")
    found = []
    for file in tracked():
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{file.relative_to(ROOT)}: {match[0]}" for match in unwanted.finditer(text)]
    assert not found, found
