"""Script modules: a file of the experiment's repository as a step of a pipeline."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import read_failed
from opticstream.rig.modules.adapt import accepted, adapt
from opticstream.rig.modules.contract import ModuleContext
from opticstream.rig.modules.module import function_of
from opticstream.rig.pipeline_entry import PipelineEntry

_SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "site-packages"})
_MOST_FILES = 20_000


@dataclass(frozen=True)
class Script:
    """A Python file that a pipeline runs as a module."""

    path: Path

    @property
    def name(self) -> str:
        """Return the file's name without its ending."""
        return self.path.stem

    def call(self, context: ModuleContext, entry: PipelineEntry) -> object:
        """Import the file under a name of its own, run its function and return what it returns.

        The file's folder is first on ``sys.path`` meanwhile, so that it can import its neighbours; afterwards neither
        it nor they stay imported, and nothing is written beside them.

        Raises:
            BadInput: the file has no such function, or cannot give it its arguments.
        """
        where = f"script {self.path}"
        with _imported(self.path) as module:
            names = [entry.function] if entry.function else [f"run_{context.stage}", "run"]
            function = function_of(module, names, where)
            given = None
            if entry.function_args is not None:
                given = _arguments(entry, context)
                known = accepted(function)
                left = [name for name in given if known is not None and name not in known]
                asked = [name for name in left if name in entry.function_args]
                if asked:
                    context.log.warning("%s takes no %s; left out", names[0], ", ".join(asked))
                given = {name: value for name, value in given.items() if name not in left}
            return adapt(function, where, given)(context)


def find_script(entry: PipelineEntry, repository: Path | None) -> Script:
    """Return the file that a ``script_module`` entry names.

    Args:
        entry: its ``module_path`` is relative to the checkout; without one it is absolute, or relative to the working
            directory. Either slash is taken.
        repository: checkout of the experiment's code.

    Raises:
        BadFile: there is no such file; files of that name elsewhere in the checkout are named, not taken.
        BadInput: the path leads out of the checkout.
    """
    text = entry.module_path
    root = (repository or Path.cwd()).resolve()
    path = root / text
    if os.name != "nt" and not path.is_file():
        path = root / text.replace("\\", "/")
    path = path.resolve()
    if repository is not None and not path.is_relative_to(root):
        raise BadInput(
            "module_path", found=text, expected=f"a file inside the checkout {root}", action="Give it relative to that."
        )
    if path.is_file():
        return Script(path)
    close = _close(root, path.name) if repository is not None else []
    raise BadFile(
        f"script module {text}",
        found=f"no file {path}",
        expected="a Python file" + (" of the checkout" if repository else ""),
        action=f"Close to it: {', '.join(close)}." if close else "",
    )


def _arguments(entry: PipelineEntry, context: ModuleContext) -> dict[str, Any]:
    """Return the arguments with their paths in the session folder."""
    given: Mapping[str, Any] = entry.function_args or {}
    values = {
        name: str(context.path(value)) if isinstance(value, str) and name.endswith(("_path", "_file")) else value
        for name, value in given.items()
    }
    output = given.get("output_filename", entry.module_parameters.get("output_filename"))
    if isinstance(output, str) and "output_path" not in values:
        values["output_path"] = str(context.path(output))
    return values


@contextmanager
def _imported(path: Path) -> Iterator[ModuleType]:
    """Yield the file as a module; afterwards ``sys.path`` and ``sys.modules`` are free of it and its neighbours."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise read_failed(path, error) from None
    folder, name = str(path.parent), f"_opticstream_script_{uuid4().hex}"
    module = ModuleType(name)
    module.__file__ = str(path)
    before, bytecode = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.modules[name] = module
    # Files of ours in the checkout would make it dirty.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
        yield module
    finally:
        sys.dont_write_bytecode = bytecode
        if folder in sys.path:
            sys.path.remove(folder)
        neighbours = {top for top in _tops(before) if _lies_in(sys.modules[top], path.parent)}
        for other in [name, *(one for one in sys.modules if one.partition(".")[0] in neighbours)]:
            sys.modules.pop(other, None)


def _tops(before: set[str]) -> set[str]:
    """Return the top-level modules that were imported since."""
    return {name for name in set(sys.modules) - before if "." not in name}


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Say whether a top-level module is a file or package right in a folder; not what an environment in it holds."""
    file = getattr(module, "__file__", None)
    if file:
        home = Path(file).parent
        return folder in ((home.parent,) if Path(file).name == "__init__.py" else (home,))
    return any(Path(place).parent == folder for place in getattr(module, "__path__", ()))


def _close(root: Path, name: str) -> list[str]:
    """Return up to five files of the checkout whose name is the same, or nearly."""
    files: dict[str, list[Path]] = {}
    count = 0
    for place, folders, names in os.walk(root):
        folders[:] = [folder for folder in folders if folder not in _SKIPPED]
        for found in names:
            if found.endswith(".py"):
                files.setdefault(found.lower(), []).append(Path(place, found))
                count += 1
        if count > _MOST_FILES:
            break
    names = [name.lower()] if name.lower() in files else get_close_matches(name.lower(), files, n=5, cutoff=0.6)
    return sorted(file.relative_to(root).as_posix() for one in names for file in files[one])[:5]
