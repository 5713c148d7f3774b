"""Scripts: what a file may define, and what its runner does with it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from opticstream.core.errors import BadFile, BadInput
from opticstream.scope.ipc import Command
from opticstream.scope.scripts import (
    GeneratorPlan,
    Script,
    ScriptMessage,
    ScriptRegistry,
    ScriptRunner,
    ScriptStatus,
    SendCommand,
    ShowMessageCommand,
    SleepCommand,
    StatusChange,
    StepReport,
    Units,
    WaitUntilAcquisitionOnCommand,
    load_script,
    register_script_command,
    wait_until,
)
from support.script_site import HANDLERS, FakeLive, PushCommand, Pusher, registry

IMPORTS = """\
from opticstream.scope.scripting import *
from support.script_site import PushCommand, UnknownCommand
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        path = tmp_path / "script.py"
        path.write_text(IMPORTS + dedent(text), "utf-8")
        return path

    return make


@pytest.fixture
def live() -> FakeLive:
    return FakeLive()


@pytest.fixture
def runner(live: FakeLive) -> ScriptRunner:
    return ScriptRunner(registry(), live)


def _sent(out: list[object]) -> list[Command]:
    return [each.command for each in out if isinstance(each, SendCommand)]


def _error(out: list[object]) -> ScriptMessage:
    (found,) = [each for each in out if isinstance(each, ScriptMessage) and each.level == "error"]
    return found


def test_append_takes_commands_only() -> None:
    script = Script()
    for wrong in (SleepCommand, "sleep", None):
        with pytest.raises(TypeError, match=r"test_scripts\.py:\d+"):
            script.append(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="wait"):
        script.append(SleepCommand(1), wait=1)  # type: ignore[arg-type]
    assert len(script) == 0


def test_a_file_has_one_script(write: Write) -> None:
    loaded = load_script(write("script = Script()\nagain = script\nscript.append(SleepCommand(1))\n"))
    assert isinstance(loaded, Script)
    assert [step.command for step in loaded.steps] == [SleepCommand(1)]
    assert loaded.steps[0].place.endswith("script.py:5")
    assert isinstance(load_script(write("def main(scope):\n    yield SleepCommand(1)\n")), GeneratorPlan)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "No Script instance"),
        ("a, b = Script(), Script()", "Multiple"),
        ("a = Script()\ndef main(scope):\n    yield", "one of the two"),
        ("def main(scope):\n    return 1", r"script\.py:3: main: found no yield"),
        ("def main():\n    yield 1", r"def main\(scope\)"),
        ("a = = 1", r"script\.py:3: found SyntaxError"),
        ("a = 1\nraise OSError('no')", r"(?s)script\.py:4: found Traceback.*line 4.*OSError: no"),
        ("exit()", r"script\.py:3"),
        ("a = Script()\na.append(SleepCommand)", r"script\.py:4.*"),
    ],
)
def test_other_files_are_refused_with_their_line(write: Write, text: str, said: str) -> None:
    with pytest.raises(BadFile, match=said) as caught:
        load_script(write(text))
    assert "loading.py" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        load_script(tmp_path / "none.py")
    (tmp_path / "binary.py").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(BadFile, match=r"binary\.py"):
        load_script(tmp_path / "binary.py")


def test_a_dataclass_may_stand_in_a_script(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(
        f"from __future__ import annotations\nfrom dataclasses import dataclass\n{IMPORTS}\n"
        "@dataclass\nclass Ramp:\n    high: float\n    def up(self) -> float:\n        return Script and self.high\n"
        "def main(scope):\n    yield PushCommand(Ramp(2.0).up())\n",
        "utf-8",
    )
    plan = load_script(path)
    assert isinstance(plan, GeneratorPlan)
    assert list(plan.main(FakeLive())) == [PushCommand(2.0)]


def test_one_handler_for_one_command() -> None:
    commands = registry()
    with pytest.raises(ValueError, match=r"PushCommand: found Pusher\.push"):
        commands.register_class_methods(Pusher)
    assert "PushCommand -> Pusher.push" in commands.lines()
    with pytest.raises(TypeError, match="subclass of Command"):
        register_script_command(int)  # type: ignore[type-var, arg-type]

    class Quiet(Pusher):
        def push(self, force: float) -> None: ...  # overridden without the mark

    quiet = ScriptRegistry(HANDLERS.get)
    quiet.register_class_methods(Quiet)
    assert PushCommand not in {each.command for each in quiet.commands}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("UnknownCommand()", "no command of scripts"),
        ("SleepCommand(-1)", "found -1; expected 0 seconds or more"),
        ("SleepCommand(float('nan'))", "found nan"),
        ("SleepCommand('1')", "a number"),
        ("wait_until(3)", "a function of the live data"),
        ("PushCommand(1), wait=True", "a command that is answered"),
        ("PushCommand(1000)", "force: found 1000"),
    ],
)
def test_every_step_is_checked_before_the_first_is_sent(write: Write, live: FakeLive, text: str, said: str) -> None:
    def check(command: Command) -> None:
        if isinstance(command, PushCommand) and command.force > 100:
            raise BadInput("force", found=f"{command.force}", expected="at most 100 pN")

    runner = ScriptRunner(registry(), live, check)
    path = write(f"script = Script()\nscript.append(PushCommand(1))\nscript.append({text})\n")
    message = _error(runner.load(path))
    assert said in message.details
    assert "script.py" in message.text
    assert runner.status is ScriptStatus.ERROR
    assert [type(each) for each in runner.start(0)] == [ScriptMessage]
    # A generator is checked step by step, and what it did before stands.
    runner.load(write(f"def main(scope):\n    yield PushCommand(1)\n    yield ScriptStep({text})\n"))
    runner.start(0)
    assert _sent(runner.tick(0)) == [PushCommand(1)]
    out = runner.tick(0)
    assert said in _error(out).details
    assert _sent(out) == []


def test_a_command_that_another_method_handles_is_refused(live: FakeLive) -> None:
    other = ScriptRegistry({PushCommand: "pull"}.get)
    other.register_class_methods(Pusher)
    script = Script()
    script.append(PushCommand(1))
    assert "pull handles it" in _error(ScriptRunner(other, live).load(script)).details
    nobody = ScriptRegistry({}.get)
    nobody.register_class_methods(Pusher)
    assert "nobody handles it" in _error(ScriptRunner(nobody, live).load(script)).details


def test_steps_are_said_and_done_in_order(runner: ScriptRunner, write: Write) -> None:
    path = write("s = Script()\ns.append(PushCommand(1.5))\ns.append(SleepCommand(2))\ns.append(PushCommand(3))\n")
    assert runner.load(path) == [StatusChange(ScriptStatus.LOADED)]
    assert runner.start(10) == [StatusChange(ScriptStatus.RUNNING)]
    assert runner.due_in(10) == 0
    first = runner.tick(10)
    assert first == [StepReport(1, 3, "PushCommand(force=1.5)"), SendCommand(PushCommand(1.5))]
    assert isinstance(first[0], StepReport) and first[0].text == "step 1 of 3 PushCommand(force=1.5)"
    assert [type(each) for each in runner.tick(10)] == [StepReport]
    assert runner.tick(11.9) == []
    assert runner.due_in(11.5) == 0.5
    assert _sent(runner.tick(12)) == [PushCommand(3)]
    assert runner.tick(12) == [StatusChange(ScriptStatus.FINISHED)]
    assert runner.due_in(12) is None
    assert runner.start(20) == [StatusChange(ScriptStatus.RUNNING)]
    assert _sent(runner.tick(20)) == [PushCommand(1.5)]
    refused = runner.load(path)
    assert isinstance(refused[0], ScriptMessage) and refused[0].level == "warning"


def test_nothing_to_do_is_done_at_once(runner: ScriptRunner) -> None:
    assert isinstance(runner.start(0)[0], ScriptMessage)
    runner.load(Script())
    assert runner.start(0) == [StatusChange(ScriptStatus.FINISHED)]
    assert runner.load(None) == [StatusChange(ScriptStatus.EMPTY)]
    assert runner.load(Path()) == []


def test_a_pause_stops_the_clock_of_a_sleep(runner: ScriptRunner) -> None:
    script = Script()
    script.append(SleepCommand(10))
    script.append(PushCommand(1))
    runner.load(script)
    runner.start(0)
    runner.tick(0)
    runner.pause(4)
    assert runner.tick(100) == [] and runner.due_in(100) is None
    assert [type(each) for each in runner.pause(101)] == [ScriptMessage]
    runner.resume(104)
    assert runner.due_in(104) == 6
    assert runner.tick(109.9) == []
    assert _sent(runner.tick(110)) == [PushCommand(1)]
    assert [type(each) for each in runner.resume(110)] == [ScriptMessage]


def test_an_answer_is_waited_for_where_one_is_promised(runner: ScriptRunner) -> None:
    script = Script()
    script.append(WaitUntilAcquisitionOnCommand(True), wait=True)
    script.append(WaitUntilAcquisitionOnCommand(False))
    script.append(ShowMessageCommand("done"))
    runner.load(script)
    runner.start(0)
    runner.waiting_updated()  # nobody waits yet
    runner.tick(0)
    assert runner.tick(1e9) == [] and runner.due_in(0) is None
    runner.pause(1)
    runner.waiting_updated()
    assert runner.tick(2) == []
    runner.resume(3)
    assert _sent(runner.tick(3)) == [WaitUntilAcquisitionOnCommand(False)]
    assert _sent(runner.tick(3)) == [ShowMessageCommand("done")]
    assert runner.answer_lost("nobody owes one") == []
    runner.tick(3)
    runner.start(5)
    runner.tick(5)
    assert "VideoProcessor" in _error(runner.answer_lost("VideoProcessor died")).details
    assert runner.status is ScriptStatus.ERROR


def test_a_list_of_steps_goes_on_when_a_condition_holds(runner: ScriptRunner, live: FakeLive) -> None:
    script = Script()
    script.append(wait_until(lambda live: live.z(3) < 200))
    script.append(PushCommand(1))
    runner.load(script)
    runner.start(0)
    runner.tick(0)
    live.height = 150.0
    assert _sent(runner.tick(1)) == [PushCommand(1)]
    runner.tick(1)
    assert runner.status is ScriptStatus.FINISHED


def test_a_generator_decides_on_the_way(runner: ScriptRunner, live: FakeLive, write: Write) -> None:
    runner.load(
        write("""
        def main(scope):
            for force in (1, 2):
                yield PushCommand(force)
                low = yield wait_until(lambda live: live.z(3) < 200 and live.z(3), timeout=60)
                yield ShowMessageCommand(f"{low:g} nm at {force} pN, {scope.time:g} s")
            yield WaitUntilAcquisitionOnCommand(True)
            try:
                yield wait_until(lambda live: live.z(3) > 1000, timeout=5)
            except TimeoutError:
                yield ShowMessageCommand("too slow")
        """)
    )
    runner.start(0)
    assert _sent(runner.tick(0)) == [PushCommand(1)]
    assert [each.text.split("(")[0] for each in runner.tick(0) if isinstance(each, StepReport)] == ["step 2 WaitUntil"]
    assert runner.tick(1) == [] and runner.due_in(1) == pytest.approx(0.1)
    live.height, live.time = 150.0, 7.0
    assert _sent(runner.tick(2)) == [ShowMessageCommand("150 nm at 1 pN, 7 s")]
    assert _sent(runner.tick(2)) == [PushCommand(2)]
    runner.tick(2)
    assert _sent(runner.tick(2)) == [ShowMessageCommand("150 nm at 2 pN, 7 s")]
    runner.tick(2)
    assert runner.tick(3) == []
    runner.waiting_updated()
    runner.tick(3)
    runner.pause(4)
    runner.resume(100)
    assert runner.tick(103.9) == []
    assert _sent(runner.tick(104)) == [ShowMessageCommand("too slow")]
    assert runner.tick(104) == [StatusChange(ScriptStatus.FINISHED)]


@pytest.mark.parametrize(
    ("body", "said", "line"),
    [
        ("yield wait_until(lambda live: 1 / 0)", "ZeroDivisionError", 4),
        ("yield wait_until(lambda live: live.tracks(0, 1) == 1)", "truth value", 4),
        ("yield wait_until(lambda live: live.z(3) < 1, timeout=0)", "no success within 0 s", 4),
        ("yield 5", "found 5", 4),
        ("yield SleepCommand(-1)", "found -1", 4),
        ("yield PushCommand(1 / scope.frame_number * 0 // 0)", "ZeroDivisionError", 4),
        ("yield from helper()\ndef helper():\n    yield PushCommand('x'.y)", "AttributeError", 6),
        ("yield from helper()\ndef helper():\n    yield 5", "found 5", 6),
        ("raise SystemExit(3)\n    yield", "SystemExit", 4),
    ],
)
def test_what_goes_wrong_names_the_users_line(
    runner: ScriptRunner, write: Write, body: str, said: str, line: int
) -> None:
    runner.load(write(f"def main(scope):\n    {body}\n"))
    runner.start(0)
    message = _error([*runner.tick(0), *runner.tick(0)])
    assert f"script.py:{line}" in message.text + message.details
    assert said in message.text + message.details
    assert "runner.py" not in message.details
    assert runner.status is ScriptStatus.ERROR


@pytest.mark.parametrize("ended", ["abort", "restart", "load", "answer lost", "error"])
def test_finally_runs_however_a_script_ends(runner: ScriptRunner, write: Write, tmp_path: Path, ended: str) -> None:
    body = """
    from pathlib import Path
    def main(scope):
        try:
            yield PushCommand(1)
            yield {}
        finally:
            (Path(__file__).parent / "closed").touch()
    """
    runner.load(write(body.format("5" if ended == "error" else "WaitUntilAcquisitionOnCommand(True)")))
    runner.start(0)
    runner.tick(0)
    runner.tick(0)
    if ended in ("restart", "load"):
        runner.pause(1)
        assert runner.start(2) if ended == "restart" else runner.load(Script())
    elif ended == "abort":
        out = runner.abort()
        assert out[-1] == StatusChange(ScriptStatus.LOADED)
        assert runner.abort() == []
    elif ended == "answer lost":
        runner.answer_lost("it died")
    assert (tmp_path / "closed").exists()


def test_a_finally_that_fails_is_an_error(runner: ScriptRunner, write: Write) -> None:
    for body in ("raise OSError('stuck')", "yield PushCommand(2)"):
        runner.load(write(f"def main(scope):\n    try:\n        yield SleepCommand(9)\n    finally:\n        {body}\n"))
        runner.start(0)
        runner.tick(0)
        message = _error(runner.abort())
        assert "stuck" in message.text or "GeneratorExit" in message.text
        assert runner.status is ScriptStatus.ERROR


def test_units() -> None:
    assert 5 * Units.um / Units.nm == pytest.approx(5000)
    assert (Units.fN, Units.ms, Units.cw + Units.ccw) == (1e-15, 1e-3, 0)


def test_importing_what_scripts_and_processes_need_is_light() -> None:
    code = (
        "import sys, opticstream.scope.scripting, opticstream.scope.zlut_generation, opticstream.scope.ui;"
        "print([name for name in ('numba', 'scipy', 'h5py', 'zarr', 'tifffile', 'PIL', 'prefect') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
