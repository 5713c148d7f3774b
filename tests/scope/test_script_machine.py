"""Whatever is pressed in whatever order, a script's runner keeps its promises."""

from collections.abc import Iterator
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opticstream.scope.ipc import Command
from opticstream.scope.scripts import (
    GeneratorPlan,
    Live,
    Script,
    ScriptRunner,
    ScriptStatus,
    SendCommand,
    SleepCommand,
    StepReport,
    WaitUntilAcquisitionOnCommand,
    wait_until,
)
from support.script_site import FakeLive, PushCommand, registry

_KINDS = st.sampled_from(["push", "sleep", "answer", "condition"])
_ACTIVE = (ScriptStatus.RUNNING, ScriptStatus.PAUSED)


class RunnerMachine(RuleBasedStateMachine):
    """The model counts running time by itself and knows which step may begin."""

    @initialize(kinds=st.lists(_KINDS, max_size=6), generator=st.booleans())
    def load(self, kinds: list[str], generator: bool) -> None:
        self.live = FakeLive(height=0.0)
        self.kinds, self.generator = kinds, generator
        self.opened = self.closed = 0
        self.now = self.ran = 0.0
        self.begun = 0
        self.step_ran = 0.0
        self.answered = False
        self.runner = ScriptRunner(registry(), self.live)
        if generator:
            self.runner.load(GeneratorPlan(self._main, Path(__file__)))
        else:
            script = Script()
            for index, kind in enumerate(kinds):
                script.append(self._command(index, kind), wait=kind == "answer")
            self.runner.load(script)
        self.status = ScriptStatus.LOADED

    def _command(self, index: int, kind: str) -> Command:
        if kind == "push":
            return PushCommand(index)
        if kind == "sleep":
            return SleepCommand(2.0)
        if kind == "answer":
            return WaitUntilAcquisitionOnCommand(True)
        return wait_until(lambda live: live.z(0) > 0)

    def _main(self, scope: Live) -> Iterator[Command]:
        self.opened += 1
        try:
            for index, kind in enumerate(self.kinds):
                yield self._command(index, kind)
        finally:
            self.closed += 1

    def _may_go_on(self) -> bool:
        if self.begun == 0:
            return True
        kind = self.kinds[self.begun - 1]
        over = {"sleep": self.ran - self.step_ran >= 2, "answer": self.answered, "condition": self.live.height > 0}
        return over.get(kind, True)

    @rule()
    def start(self) -> None:
        self.runner.start(self.now)
        if self.status is not ScriptStatus.RUNNING:
            self.begun, self.ran = 0, 0.0
            empty = not self.kinds and not self.generator
            self.status = ScriptStatus.FINISHED if empty else ScriptStatus.RUNNING

    @rule()
    def pause(self) -> None:
        self.runner.pause(self.now)
        if self.status is ScriptStatus.RUNNING:
            self.status = ScriptStatus.PAUSED

    @rule()
    def resume(self) -> None:
        self.runner.resume(self.now)
        if self.status is ScriptStatus.PAUSED:
            self.status = ScriptStatus.RUNNING

    @rule()
    def abort(self) -> None:
        self.runner.abort()
        if self.status in _ACTIVE:
            self.status = ScriptStatus.LOADED

    @rule()
    def answer(self) -> None:
        self.runner.waiting_updated()
        if self.status in _ACTIVE and self.begun and self.kinds[self.begun - 1] == "answer":
            self.answered = True

    @rule(height=st.sampled_from([0.0, 1.0]))
    def move(self, height: float) -> None:
        self.live.height = height

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.status is ScriptStatus.RUNNING:
            self.ran += seconds

    @rule()
    def tick(self) -> None:
        out = self.runner.tick(self.now)
        if self.status is not ScriptStatus.RUNNING or not self._may_go_on():
            assert out == []
            return
        if self.begun == len(self.kinds):
            self.status = ScriptStatus.FINISHED
            return
        command = self._command(self.begun, self.kinds[self.begun])
        self.begun += 1
        self.step_ran, self.answered = self.ran, False
        total = None if self.generator else len(self.kinds)
        assert isinstance(out[0], StepReport) and (out[0].number, out[0].total) == (self.begun, total)
        sends = self.kinds[self.begun - 1] in ("push", "answer")
        assert out[1:] == ([SendCommand(command)] if sends else [])

    @precondition(lambda self: self.status is ScriptStatus.RUNNING)
    @rule()
    def it_is_due_when_something_can_happen(self) -> None:
        due = self.runner.due_in(self.now)
        if self._may_go_on():
            assert due is not None and due <= 0.1
        elif self.kinds[self.begun - 1] == "sleep":
            assert due == 2 - (self.ran - self.step_ran)

    @invariant()
    def status_is_as_expected(self) -> None:
        assert self.runner.status is self.status

    @invariant()
    def generators_are_open_only_while_they_run(self) -> None:
        assert self.opened - self.closed <= (self.status in _ACTIVE)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.abort()
            assert self.opened == self.closed


RunnerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRunner = RunnerMachine.TestCase
