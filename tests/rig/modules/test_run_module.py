"""One attempt at a step: time limits, exceptions, and scripts of the repository."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.operator import NoAnswer, Question
from opticstream.rig import PipelineEntry
from opticstream.rig.modules import (
    ModuleContext,
    ModuleFailed,
    ModuleResult,
    Script,
    find_callee,
    find_script,
    run_entry,
    session_context,
)
from opticstream.rig.pipeline_entry import Entry
from support.pipeline import Desk, module_context, session_folder

STEP = PipelineEntry(module_path="step")


class Callee:
    def __init__(self, work: Callable[[ModuleContext], object]) -> None:
        self.name, self._work = "step", work

    def call(self, context: ModuleContext, entry: PipelineEntry) -> object:
        return self._work(context)


def _entry(**values: Any) -> PipelineEntry:
    values = values if "type" in values else {"module_type": "script_module", **values}
    found: PipelineEntry = TypeAdapter(Entry).validate_python(values)
    return found


def _raising(error: BaseException) -> Callee:
    def work(context: ModuleContext) -> object:
        raise error

    return Callee(work)


@pytest.fixture
def context(tmp_path: Path) -> ModuleContext:
    return module_context(tmp_path, seed=7)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("limit", [0, 30])
def test_result_is_judged(context: ModuleContext, limit: float) -> None:
    entry = STEP.model_copy(update={"timeout_sec": limit})
    assert run_entry(entry, Callee(lambda _: ModuleResult(values={"a": 1})), context).values == {"a": 1}
    assert not run_entry(entry, Callee(lambda _: False), context).success
    assert not run_entry(entry, Callee(lambda _: 1), context).success


@pytest.mark.parametrize("limit", [0, 30])
@pytest.mark.parametrize(
    "error", [ValueError("odd"), BadInput("key", found="a"), NoAnswer("weight"), TimeoutError("socket")], ids=repr
)
def test_exceptions_are_failures_with_their_cause(context: ModuleContext, error: Exception, limit: float) -> None:
    with pytest.raises(ModuleFailed) as caught:
        run_entry(STEP.model_copy(update={"timeout_sec": limit}), _raising(error), context)
    assert caught.value.__cause__ is error and str(error) in str(caught.value)


def test_a_failure_of_the_module_itself_is_passed_on(context: ModuleContext) -> None:
    error = ModuleFailed("disk", found="full")
    with pytest.raises(ModuleFailed) as caught:
        run_entry(STEP, _raising(error), context)
    assert caught.value is error and caught.value.__cause__ is None


@pytest.mark.parametrize("limit", [0, 30])
def test_ctrl_c_passes(context: ModuleContext, limit: float) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_entry(STEP.model_copy(update={"timeout_sec": limit}), _raising(KeyboardInterrupt()), context)


@pytest.mark.parametrize(("code", "success"), [(None, True), (0, True), (3, False), ("no camera", False)])
def test_a_script_that_exits_is_judged_by_its_code(context: ModuleContext, code: Any, success: bool) -> None:
    assert run_entry(STEP, _raising(SystemExit(code)), context).success is success


def test_one_that_takes_too_long_is_given_up(context: ModuleContext) -> None:
    free, done = threading.Event(), threading.Event()

    def work(context: ModuleContext) -> object:
        assert context.timeout_s == 0.1  # its questions end with it
        free.wait(30)
        done.set()
        return 0

    try:
        with pytest.raises(ModuleFailed, match=r"timeout_sec = 0\.1") as caught:
            run_entry(STEP.model_copy(update={"timeout_sec": 0.1}), Callee(work), context)
        assert isinstance(caught.value.__cause__, TimeoutError)
    finally:
        free.set()
        assert done.wait(30)


def test_a_parameter_answers_a_question_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    desk = Desk({"weight": 20})
    question = Question("weight", "Weight?", kind="number", maximum=50)
    assert module_context(tmp_path, operator=desk).ask(question) == 20
    desk = Desk()
    assert module_context(tmp_path, operator=desk, weight="21 ").ask(question) == 21 and not desk.asked
    with pytest.raises(BadInput, match=r"weight.*up to 50"):
        module_context(tmp_path, weight=51).ask(question)


def test_a_script_is_found_called_and_leaves_nothing_behind(checkout: Path, context: ModuleContext) -> None:
    (checkout / "tools" / "helper.py").write_text("import colorsys\nVALUE = 5\n")
    (checkout / "tools" / "pack").mkdir()
    (checkout / "tools" / "pack" / "__init__.py").write_text("from pack import inner\n")
    (checkout / "tools" / "pack" / "inner.py").write_text("")
    (checkout / "tools" / "prepare.py").write_text(
        "import dataclasses, sys, helper, pack\n"
        "@dataclasses.dataclass\nclass A:\n    x: 'int' = 0\n"
        "def run_pre_acquisition(params):\n    import pack.inner\n    params['log'].append((params['seed'], helper.VALUE, __name__, sys.path[0]))\n"
        "def run(): return 1\n"
    )
    log: list[Any] = []
    before, path = set(sys.modules), list(sys.path)
    module = find_callee(_entry(module_path="tools\\prepare.py"), "pre_acquisition", checkout)
    assert module.name == "prepare"
    given = replace(context, parameters={"seed": 7, "log": log})
    assert run_entry(_entry(module_path="tools/prepare.py"), module, given).success
    seed, value, name, first = log[0]
    assert (seed, value, first) == (7, 5, str(checkout / "tools")) and name not in ("prepare", "__main__")
    assert sys.path == path and set(sys.modules) - before <= {"colorsys"}
    assert sorted(p.name for p in checkout.rglob("*") if p.is_dir()) == ["pack", "tools"]  # no bytecode
    # A neighbour that changed meanwhile is read anew, and that of another folder is not mistaken for it.
    (checkout / "tools" / "helper.py").write_text("VALUE = 6\n")
    assert run_entry(_entry(module_path="x.py"), module, given).success
    assert log[1][1] == 6


def test_a_script_that_fails_leaves_nothing_behind_either(checkout: Path, context: ModuleContext) -> None:
    (checkout / "bad.py").write_text("import sys\nraise RuntimeError('at import')\n")
    before, path = set(sys.modules), list(sys.path)
    with pytest.raises(ModuleFailed, match="RuntimeError: at import"):
        run_entry(STEP, Script(checkout / "bad.py"), context)
    (checkout / "bad.py").write_text("def run(:\n")
    with pytest.raises(ModuleFailed, match="SyntaxError"):
        run_entry(STEP, Script(checkout / "bad.py"), context)
    assert sys.path == path and set(sys.modules) == before


def test_function_arguments(checkout: Path, context: ModuleContext, caplog: pytest.LogCaptureFixture) -> None:
    (checkout / "table.py").write_text(
        "SEEN = []\n"
        "def generate(session_type, seed, output_path, table_path, params, fps=60):\n"
        "    assert params['seed'] == 7 and fps == 60\n"
        "    with open(output_path, 'w') as file: file.write(f'{session_type} {seed} {table_path}')\n"
    )
    entry = _entry(
        module_path="table.py",
        module_parameters={
            "function": "generate",
            "function_args": {
                "session_type": "short",
                "seed": 3,
                "output_filename": "stimuli.csv",
                "table_path": "sub/t.csv",
                "typo": 1,
            },
        },
    )
    assert run_entry(entry, find_callee(entry, "pre_acquisition", checkout), context).success
    table = context.session_folder / "sub" / "t.csv"
    assert (context.session_folder / "stimuli.csv").read_text() == f"short 3 {table}"
    assert "takes no output_filename, typo" in caplog.text
    outside = _entry(
        module_path="table.py", module_parameters={"function": "generate", "function_args": {"table_path": "../../x"}}
    )
    with pytest.raises(ModuleFailed, match="inside the session folder"):
        run_entry(outside, find_script(outside, checkout), context)


def test_a_function_that_is_missing(checkout: Path, context: ModuleContext) -> None:
    (checkout / "a.py").write_text("import json\nfrom json import dumps\ndef other(): return 0\n")
    for parameters in ({}, {"function": "nope"}):
        entry = _entry(module_path="a.py", module_parameters=parameters)
        with pytest.raises(ModuleFailed, match="found the functions other; expected a function"):
            run_entry(entry, find_script(entry, checkout), context)


def test_no_script_outside_the_checkout(checkout: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("def run(): return 0\n")
    (checkout / "link.py").symlink_to(outside)
    for path in ("../outside.py", str(outside), "link.py", "tools/../../outside.py"):
        with pytest.raises(BadInput, match="inside the checkout"):
            find_script(_entry(module_path=path), checkout)
    assert find_script(_entry(module_path=str(outside)), None).path == outside


def test_the_old_form_and_relative_scripts_without_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: ModuleContext
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text("def go(a): return 0 if a == 1 else 1\n")
    entry = _entry(type="repo_module", repo_relative_path="x.py", function="go", kwargs={"a": 1})
    assert run_entry(entry, find_callee(entry, "pre_acquisition", None), context).success


def test_a_missing_script_names_its_namesakes(checkout: Path) -> None:
    (checkout / "tools" / "prepare.py").write_text("")
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "prepare.py").write_text("")
    with pytest.raises(BadFile, match=r"Close to it: tools/prepare\.py\.$"):
        find_script(_entry(module_path="prepare.py"), checkout)
    with pytest.raises(BadFile, match=r"tools/prepare\.py"):
        find_script(_entry(module_path="tools/prepair.py"), checkout)


def test_context_of_a_session_that_is_there(tmp_path: Path) -> None:
    folder = session_folder(tmp_path, {"script_parameters": {"a": 1}})
    (folder / "launcher_metadata" / "end_state.json").write_text(
        '{"outcome": "failed", "stop_time": "2025-01-02T03:05:00+00:00", "start_time": "2025-01-02T03:04:05", "rig_id": "r"}'
    )
    (folder / "launcher_metadata" / "git_revisions.json").write_text(
        f'[{{"name": "workflow_repository", "path": "{tmp_path.as_posix()}"}}]'
    )
    settings = module_context(tmp_path).settings
    found = session_context(
        folder, "post_acquisition", "x", operator=Desk(), settings=settings, overrides={"script_parameters.a": 2}
    )
    assert (found.subject_id, found.rig_id, found.outcome, found.repository) == ("m1", "r", "failed", tmp_path)
    assert found.parameters["script_parameters"] == {"a": 2} and found.stop_time and found.stop_time > found.start_time
    with pytest.raises(BadInput, match="launcher_metadata"):
        session_context(tmp_path / "none", "pre_acquisition", "x", operator=Desk(), settings=settings)
    (folder / "launcher_metadata" / "processed_parameters.json").write_text("{")
    with pytest.raises(BadFile, match="line 1"):
        session_context(folder, "pre_acquisition", "x", operator=Desk(), settings=settings)


def test_a_script_runs_in_an_environment_inside_its_own_folder(checkout: Path) -> None:
    """Libraries of an environment that lies in the script's folder stay imported: many cannot be imported twice."""
    site = checkout / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "biglib.py").write_text("")
    (checkout / "s.py").write_text("import biglib\ndef run(): return 0\n")
    code = (
        f"import sys; sys.path.append({str(site)!r}); from pathlib import Path\n"
        "from opticstream.rig.modules.script import _imported\n"
        f"with _imported(Path({str(checkout / 's.py')!r})): pass\n"
        "assert 'biglib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
