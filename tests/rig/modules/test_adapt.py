"""Functions of every documented form, and return values."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from opticstream.core.errors import BadInput
from opticstream.rig.modules import ModuleContext, ModuleParameters, ModuleResult, adapt, judge
from support.pipeline import module_context


@pytest.fixture
def context(tmp_path: Path) -> ModuleContext:
    return module_context(tmp_path, seed=7, output_session_folder=str(tmp_path), note="hello")


class Parameters(ModuleParameters):
    seed: int = Field(1, description="Seed.")


def of_context(context):
    return context


def of_ctx_annotated(anything: ModuleContext):
    return anything


def of_file(param_file):
    return param_file


def of_text(path: str):
    return path


def of_path(where: Path):
    return where


def of_either(param_source: str | Path):
    return param_source


def of_params(params):
    return params


def of_dict(anything: dict[str, Any]):
    return anything


def of_mapping(anything: Mapping[str, Any] | None):
    return anything


def of_pair(param_source, overrides):
    return param_source, overrides


def of_file_pair(param_file, overrides=None):
    return param_file, overrides


def of_nothing():
    return "nothing"


def of_model(p: Parameters):
    return p


def of_value(seed):
    return seed


def of_values(seed: int, note: str, output_session_folder: Path, verbose=False):
    return seed, note, output_session_folder, verbose


def of_keyword(*, params):
    return params


def of_positional(param_file, /, **more):
    return param_file, more


def of_contradiction(params: Path):
    return params


def test_each_form_is_given_what_it_declares(context: ModuleContext, tmp_path: Path) -> None:
    file, merged = str(context.param_file), dict(context.parameters)
    expected: dict[Callable[..., object], object] = {
        of_context: context,
        of_ctx_annotated: context,
        of_file: file,
        of_text: file,
        of_path: Path(file),
        of_either: file,
        of_params: merged,
        of_dict: merged,
        of_mapping: merged,
        of_pair: (merged, None),
        of_file_pair: (file, merged),
        of_nothing: "nothing",
        of_model: Parameters(seed=7),
        of_value: 7,
        of_values: (7, "hello", tmp_path, False),
        of_keyword: merged,
        of_positional: (file, {}),
        of_contradiction: Path(file),
    }
    found = {function: adapt(function, "module x")(context) for function in expected}
    assert found == expected
    assert type(found[of_path]) is type(found[of_contradiction]) and isinstance(found[of_path], Path)
    assert isinstance(found[of_file], str)


def test_annotations_that_cannot_be_evaluated_still_say_something(context: ModuleContext) -> None:
    space: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\n"
        "def a(x: contract.ModuleContext, verbose: Missing = None): return x\n"
        "def b(x: dict[str, Missing | None]): return x\n"
        "def c(x: pathlib.Path | Missing): return x\n",
        space,
    )
    assert adapt(space["a"], "m")(context) is context
    assert adapt(space["b"], "m")(context) == context.parameters
    assert adapt(space["c"], "m")(context) == Path(context.param_file)


def test_a_module_may_change_what_it_is_given_without_harm(context: ModuleContext) -> None:
    before = json.dumps(dict(context.parameters))
    adapt(lambda params: params.clear(), "m")(context)
    assert json.dumps(dict(context.parameters)) == before


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda thing: 0, "argument thing"),
        (lambda path, other: 0, "argument path"),
        (lambda *arguments: 0, "signature"),
        (lambda **arguments: 0, "signature"),
    ],
)
def test_a_signature_that_could_mean_anything_is_refused(
    context: ModuleContext, function: Callable[..., object], what: str
) -> None:
    with pytest.raises(BadInput, match=what):
        adapt(function, "module x")(context)


def test_a_number_called_config_is_not_given_a_dict(context: ModuleContext) -> None:
    def run(config: int) -> int:
        return config

    with pytest.raises(BadInput, match="argument config"):
        adapt(run, "module x")(context)


def test_asynchronous_functions_are_refused_before_they_run() -> None:
    async def run(context: ModuleContext) -> None: ...

    with pytest.raises(BadInput, match="asynchronous"):
        adapt(run, "module x")


@pytest.mark.parametrize("returned", [0, None, True, ModuleResult(), ModuleResult(message="x")])
def test_success(returned: object) -> None:
    assert judge(returned).success


@pytest.mark.parametrize("returned", [1, False, -1, 0.0, "", "ok", {}, [], ModuleResult(success=False), 2, object()])
def test_everything_else_fails(returned: object) -> None:
    result = judge(returned)
    assert not result.success
    assert result.message or isinstance(returned, ModuleResult)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.binary(), st.lists(st.integers())))
def test_only_three_plain_values_succeed(returned: object) -> None:
    assert judge(returned).success == (returned is True or (type(returned) is int and returned == 0))
    assert len(judge(returned).message) <= 120
