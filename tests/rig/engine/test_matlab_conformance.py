"""Our own MATLAB has the signatures of the real one, as its source distribution says them."""

import ast
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from opticstream.rig.engine.text_stream import TextStream
from support import fake_matlab
from support.fake_matlab import FakeMatlab

PACKAGE = "matlabengine==26.2.5"


@pytest.fixture(scope="module")
def source(pytestconfig: pytest.Config) -> dict[str, ast.Module]:
    """Return the modules of ``matlab.engine``; it is fetched once, and never installed: that needs MATLAB."""
    folder = pytestconfig.cache.mkdir("matlabengine")
    if not list(folder.glob("*.tar.gz")):
        options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--quiet", "--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", *options, PACKAGE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{PACKAGE} could not be fetched in a minute")
        if done.returncode:
            pytest.skip(f"{PACKAGE} cannot be fetched: {done.stderr.strip()[-200:]}")
    modules = {}
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        for member in archive:
            file = archive.extractfile(member) if "/matlab/engine/" in member.name else None
            if file is not None and member.name.endswith(".py"):
                modules[Path(member.name).stem] = ast.parse(file.read())
    return modules


def _functions(body: list[ast.stmt]) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _class(module: ast.Module, name: str) -> dict[str, ast.FunctionDef]:
    (found,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)
    return _functions(found.body)


def _ours() -> ast.Module:
    return ast.parse(Path(fake_matlab.__file__).read_text("utf-8"))


def _signature(function: ast.FunctionDef) -> tuple[object, ...]:
    arguments = function.args
    return (
        [argument.arg for argument in arguments.args],
        [ast.unparse(default) for default in arguments.defaults],
        arguments.vararg is not None,
        arguments.kwarg is not None,
    )


def test_module_functions(source: dict[str, ast.Module]) -> None:
    real, ours = _functions(source["__init__"].body), _class(_ours(), "FakeMatlab")
    for name in ("connect_matlab", "find_matlab"):
        words, *rest = _signature(ours[name])
        assert [[word for word in words if word != "self"], *rest] == list(_signature(real[name])), name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("module", "name", "methods"),
    [
        ("futureresult", "FutureResult", ("result", "cancel", "cancelled", "done")),
        ("matlabengine", "MatlabEngine", ("exit", "quit", "__getattr__")),
        ("matlabengine", "MatlabFunc", ("__call__", "__init__")),
        ("engineerror", "RejectedExecutionError", ("__init__",)),
    ],
)
def test_methods(source: dict[str, ast.Module], module: str, name: str, methods: tuple[str, ...]) -> None:
    real, ours = _class(source[module], name), _class(_ours(), name)
    for method in methods:
        assert _signature(ours[method]) == _signature(real[method]), method


def test_the_words_a_call_takes(source: dict[str, ast.Module]) -> None:
    """nargout, stdout and stderr, and beside them background only."""
    call = _class(source["matlabengine"], "MatlabFunc")["__call__"]
    popped = {
        node.args[0].value
        for node in ast.walk(call)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop"
        and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert popped == {"nargout", "stdout", "stderr"}
    helper = _functions(source["enginehelper"].body)["_get_async_or_background_argument"]
    words = {node.value for node in ast.walk(helper) if isinstance(node, ast.Constant)}
    assert {"async", "background"} <= words


def test_streams_must_be_what_ours_are(source: dict[str, ast.Module]) -> None:
    call = ast.unparse(_class(source["matlabengine"], "MatlabFunc")["__call__"])
    assert "isinstance(_stdout, sIO.StringIO)" in call and "isinstance(_stderr, sIO.StringIO)" in call
    assert issubclass(TextStream, io.StringIO)


def test_our_words_for_a_lost_engine_are_theirs(source: dict[str, ast.Module]) -> None:
    """Exceptions are told apart by name, for their module needs MATLAB."""
    text = "".join(map(ast.unparse, source.values()))
    assert "RejectedExecutionError" in text
    assert FakeMatlab.EngineError.__name__ in "".join(
        ast.get_docstring(function) or "" for function in _functions(source["__init__"].body).values()
    )
