"""One module of a pipeline, known by its name and imported when it is needed."""

import ast
import importlib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from opticstream.core.errors import BadInput
from opticstream.rig.modules.adapt import adapt
from opticstream.rig.modules.contract import ModuleContext, ModuleParameters
from opticstream.rig.pipeline_entry import PipelineEntry, Stage

BUILT_IN = "opticstream"
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Module:
    """One installed module. Nothing of it is imported before :meth:`load`, :meth:`entry_point` or :meth:`call`."""

    name: str
    target: str
    """``package.module``, or ``package.module:function``."""

    distribution: str = BUILT_IN
    """The package that brings it."""

    stages: tuple[Stage, ...] = STAGES
    """In which pipelines it may stand."""

    @property
    def summary(self) -> str:
        """Return its documentation's first line; read from the source, without importing it."""
        return source_of(self.target.partition(":")[0]).summary

    def load(self) -> ModuleType:
        """Import it.

        Raises:
            BadInput: it cannot be imported.
        """
        target = self.target.partition(":")[0]
        try:
            return importlib.import_module(target)
        except Exception as error:
            raise BadInput(
                f"module {self.name}",
                found=f"{target}, which cannot be imported: {type(error).__name__}: {error}",
                expected="an importable module",
                action=f"Mend the installation of {self.distribution}.",
            ) from error

    @property
    def parameters(self) -> type[ModuleParameters] | None:
        """Return what it declares as its parameters, ``PARAMETERS``; None: it declares none."""
        found = getattr(self.load(), "PARAMETERS", None)
        return found if isinstance(found, type) and issubclass(found, ModuleParameters) else None

    def entry_point(self, stage: Stage) -> Callable[..., object]:
        """Return its function: the one its target names, else ``run_<stage>``, else ``run``.

        Raises:
            BadInput: it cannot be imported, or has no such function.
        """
        module, _, wanted = self.target.partition(":")
        return function_of(
            self.load(), [wanted] if wanted else [f"run_{stage}", "run"], f"module {self.name}, {module}"
        )

    def check(self, stage: Stage) -> None:
        """Return if it can be imported and called.

        Raises:
            BadInput: it cannot.
        """
        adapt(self.entry_point(stage), f"module {self.name}")

    def call(self, context: ModuleContext, entry: PipelineEntry) -> object:
        """Run it and return what it returns."""
        return adapt(self.entry_point(context.stage), f"module {self.name}")(context)


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """What a module's source says about it."""

    summary: str = ""
    stages: tuple[Stage, ...] | None = None
    """Its literal ``STAGES``; None: it does not say."""


def source_of(target: str) -> ModuleSource:
    """Read a module's source; only the packages around it are imported. Without a readable source it says nothing."""
    try:
        spec = importlib.util.find_spec(target)
    except Exception:  # a lab's package that does not import must not hide all others
        return ModuleSource()
    return read_source(Path(spec.origin)) if spec and spec.origin else ModuleSource()


@lru_cache(maxsize=512)
def read_source(path: Path) -> ModuleSource:
    """Return what a module's file says about it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ModuleSource()
    lines = (ast.get_docstring(tree) or "").splitlines()
    return ModuleSource(lines[0] if lines else "", _stages(tree))


def _stages(tree: ast.Module) -> tuple[Stage, ...] | None:
    for node in tree.body:
        value: Any = getattr(node, "value", None)
        names = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and value and _is_name(names, "STAGES"):
            words = {word.value for word in ast.walk(value) if isinstance(word, ast.Constant)}
            return tuple(stage for stage in STAGES if stage in words)
    return None


def _is_name(nodes: Iterable[object], name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in nodes)


def function_of(module: ModuleType, names: list[str], where: str) -> Callable[..., object]:
    """Return the first of the named functions that a module has.

    Raises:
        BadInput: it has none of them.
    """
    for name in names:
        found = getattr(module, name, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    own = sorted(
        name
        for name, item in vars(module).items()
        if callable(item) and not name.startswith("_") and getattr(item, "__module__", None) == module.__name__
    )
    raise BadInput(
        where,
        found=f"the functions {', '.join(own)}" if own else "no function",
        expected=f"a function {' or '.join(names)}",
    )
