"""Scripts out of files."""

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed
from opticstream.scope.scripts.live import Live
from opticstream.scope.scripts.script import Script
from opticstream.scope.scripts.user_traceback import last_line, user_traceback

_MODULE = "opticstream_script"


@dataclass(frozen=True)
class GeneratorPlan:
    """A script that decides on the way: ``def main(scope): … yield SleepCommand(1) …``."""

    main: Callable[[Live], Iterator[Any]]
    path: Path


def load_script(path: Path) -> Script | GeneratorPlan:
    """Run a script's file and return what it defines: one ``Script``, or a generator function ``main(scope)``.

    The file is ordinary Python and is executed with this process's rights.

    Raises:
        BadFile: it cannot be read or raises (the error names file and line and shows the traceback within the file),
            or defines no script, or several.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise read_failed(path, error) from None
    found = _top_level(path, source)
    scripts = list({id(value): value for value in found.values() if isinstance(value, Script)}.values())
    main = found.get("main")
    if len(scripts) > 1:
        raise BadFile(str(path), found=f"Multiple Script instances ({len(scripts)})", expected="one")
    if scripts and inspect.isgeneratorfunction(main):
        raise BadFile(str(path), found="a Script instance and a generator main(scope)", expected="one of the two")
    if scripts:
        scripts[0].path = path
        return scripts[0]
    if not callable(main):
        raise BadFile(
            str(path), found="No Script instance", expected="one Script, or a generator function main(scope)",
            action="Write `script = Script()` at the top level.",
        )  # fmt: skip
    return GeneratorPlan(_checked(main, path), path)


def _top_level(path: Path, source: bytes) -> dict[str, Any]:
    module = ModuleType(_MODULE)
    module.__file__ = str(path)
    before = sys.modules.get(_MODULE)
    sys.modules[_MODULE] = module  # dataclasses look up the module of the class they are made of
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        place = f"{path}:{error.lineno}" if error.lineno and error.filename == str(path) else str(path)
        raise BadFile(place, found=f"{type(error).__name__}: {error.msg}", expected="Python") from None
    except (Exception, SystemExit) as error:
        said = user_traceback(error, str(path))
        where = last_line(error, str(path)) or str(path)
        raise BadFile(where, found=said, expected="a file that defines a script") from error
    finally:
        if before is None:
            del sys.modules[_MODULE]
        else:
            sys.modules[_MODULE] = before
    return module.__dict__


def _checked(main: Callable[..., Any], path: Path) -> Callable[[Live], Iterator[Any]]:
    code = getattr(main, "__code__", None)
    place = f"{path}:{code.co_firstlineno}" if code is not None else str(path)
    if not inspect.isgeneratorfunction(main):
        raise BadFile(f"{place}: main", found="no yield", expected="a generator that yields commands")
    try:
        inspect.signature(main).bind(None)
    except TypeError as error:
        raise BadFile(f"{place}: main", found=str(error), expected="def main(scope)") from None
    return main
