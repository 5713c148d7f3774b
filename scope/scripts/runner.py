"""Carrying out a script, a step at a time."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.errors import OpticstreamError
from opticstream.scope.ipc import Command
from opticstream.scope.scripts.commands import SleepCommand, WaitUntil
from opticstream.scope.scripts.errors import ScriptTypeError, WaitTimeout
from opticstream.scope.scripts.live import Live
from opticstream.scope.scripts.loading import GeneratorPlan, load_script
from opticstream.scope.scripts.outputs import ScriptMessage, ScriptOutput, SendCommand, StatusChange, StepReport
from opticstream.scope.scripts.registry import ScriptRegistry
from opticstream.scope.scripts.script import Script, ScriptStep
from opticstream.scope.scripts.status import ScriptStatus
from opticstream.scope.scripts.user_traceback import last_line, user_traceback

_LOOK_S = 0.1
"""How often a condition is looked at when no tracks come."""

Outputs = list[ScriptOutput]
_Steps = Generator[Any, Any, Any]


@dataclass(slots=True)
class _Waiting:
    """What a script waits for; times are on its own clock, which stands while it is paused."""

    place: str
    until: float | None = None
    condition: WaitUntil | None = None
    answered: bool | None = None
    """None: no answer is waited for."""


class ScriptRunner:
    """Runs one script; a pure machine: time comes in as ``now`` (any clock that only goes forward, s), wishes go out.

    A static :class:`Script` is checked whole before its first command is sent, a generator's commands one by one.
    After :meth:`abort` a script is Loaded again; after an error it has to be loaded anew. An ``UpdateWaiting`` that
    comes while nothing waits is left alone.

    Args:
        registry: which commands scripts may give.
        live: what conditions and generators see; always the same object, with ever newer content.
        check: raises :class:`BadInput` for a command that would go beyond a limit that is known now.
    """

    def __init__(
        self, registry: ScriptRegistry, live: Live, check: Callable[[Command], None] = lambda command: None
    ) -> None:
        self.status = ScriptStatus.EMPTY
        self.step = 0
        """Number of the step that began last, from 1; 0 before the first."""
        self._registry, self._live, self._check = registry, live, check
        self._plan: Script | GeneratorPlan | None = None
        self._file = ""
        self._steps: _Steps | None = None
        self._reply: Any = None
        self._waiting: _Waiting | None = None
        self._paused_at = 0.0
        self._stood = 0.0

    def load(self, source: Path | Script | GeneratorPlan | None) -> Outputs:
        """Load a script, in place of another; None or an empty path unloads. Refused while one runs."""
        if self.status is ScriptStatus.RUNNING:
            return [ScriptMessage("warning", "A script is running; stop it before another is loaded")]
        out = self._close()
        self._plan, self.step = None, 0
        if source is None or (isinstance(source, Path) and source == Path()):
            return [*out, *self._become(ScriptStatus.EMPTY)]
        try:
            plan = load_script(source) if isinstance(source, Path) else source
            self._validate_all(plan)
        except OpticstreamError as error:
            return [*out, *self._fail(f"{self._name(source)} was not loaded", str(error))]
        self._plan, self._file = plan, str(plan.path or "")
        return [*out, *self._become(ScriptStatus.LOADED)]

    def start(self, now: float) -> Outputs:
        """Start from the first step; also one that is finished or paused."""
        plan = self._plan
        if plan is None or self.status in (ScriptStatus.EMPTY, ScriptStatus.ERROR, ScriptStatus.RUNNING):
            return [ScriptMessage("warning", f"The script cannot be started: its status is {self.status}")]
        out = self._close()
        if self._plan is None:
            return out
        self.step, self._stood = 0, 0.0
        try:
            self._validate_all(plan)
            self._steps = _static(plan) if isinstance(plan, Script) else _running(plan.main(self._live))
        except OpticstreamError as error:
            return [*out, *self._fail("The script was not started", str(error))]
        if isinstance(plan, Script) and not plan.steps:
            return [*out, *self._close(), *self._become(ScriptStatus.FINISHED)]
        return [*out, *self._become(ScriptStatus.RUNNING)]

    def pause(self, now: float) -> Outputs:
        """Stop between two steps, or in the middle of a wait, whose clock stands."""
        if self.status is not ScriptStatus.RUNNING:
            return [ScriptMessage("warning", f"No script runs that could be paused: the status is {self.status}")]
        self._paused_at = now
        return self._become(ScriptStatus.PAUSED)

    def resume(self, now: float) -> Outputs:
        """Go on where the script was paused."""
        if self.status is not ScriptStatus.PAUSED:
            return [ScriptMessage("warning", f"No script is paused: the status is {self.status}")]
        self._stood += max(0.0, now - self._paused_at)
        return self._become(ScriptStatus.RUNNING)

    def abort(self) -> Outputs:
        """End the script at whatever step it is; a generator's ``finally`` runs. Without one that runs nothing is done."""
        if self.status not in (ScriptStatus.RUNNING, ScriptStatus.PAUSED):
            return []
        out = self._close()
        if self._plan is None:
            return out
        return [*out, ScriptMessage("info", f"Script aborted at step {self.step}"), *self._become(ScriptStatus.LOADED)]

    def waiting_updated(self) -> Outputs:
        """Take the answer to the command that is waited for."""
        if self._waiting is not None and self._waiting.answered is not None:
            self._waiting.answered = True
        return []

    def answer_lost(self, why: str) -> Outputs:
        """End the script in an error if it waits for an answer, as when who owes it has died."""
        waiting = self._waiting
        if waiting is None or waiting.answered is not False:
            return []
        return [*self._close(), *self._fail(f"{waiting.place}: no answer will come", why)]

    def due_in(self, now: float) -> float | None:
        """Return after how many seconds :meth:`tick` has something to do; None: not before another input."""
        if self.status is not ScriptStatus.RUNNING:
            return None
        waiting = self._waiting
        if waiting is None or waiting.answered:
            return 0.0
        if waiting.answered is False:
            return None
        left = None if waiting.until is None else max(0.0, waiting.until - (now - self._stood))
        if waiting.condition is None:
            return left
        return _LOOK_S if left is None else min(_LOOK_S, left)

    def tick(self, now: float) -> Outputs:
        """Carry out at most one step; call it at each turn, and when tracks have come."""
        if self.status is not ScriptStatus.RUNNING or self._steps is None:
            return []
        problem: BaseException | None = None
        if self._waiting is not None:
            try:
                if not self._over(self._waiting, now - self._stood):
                    return []
            except WaitTimeout as error:
                problem = error
            except Exception as error:
                place = self._waiting.place
                return [*self._close(), *self._raised(error, place)]
        self._waiting = None
        reply, self._reply = self._reply, None
        try:
            given = self._steps.throw(problem) if problem is not None else self._steps.send(reply)
        except StopIteration:
            return [*self._close(), *self._become(ScriptStatus.FINISHED)]
        except (Exception, SystemExit) as error:
            return [*self._close(), *self._raised(error)]
        return self._begin(given, now - self._stood)

    def _over(self, waiting: _Waiting, clock: float) -> bool:
        """Say whether a wait is over; the condition's value goes back to the script."""
        late = waiting.until is not None and clock >= waiting.until
        if waiting.answered is not None:
            return waiting.answered
        if waiting.condition is None:
            return late
        value = waiting.condition.condition(self._live)
        if bool(value):
            self._reply = value
            return True
        if late:
            raise WaitTimeout(
                f"{waiting.place}: wait_until", found=f"no success within {waiting.condition.timeout:g} s",
                expected="a condition that becomes true",
            )  # fmt: skip
        return False

    def _begin(self, given: Any, clock: float) -> Outputs:
        self.step += 1
        try:
            step = self._as_step(given)
            self._registry.validate(step)
            self._check(step.command)
        except OpticstreamError as error:
            return [*self._close(), *self._fail(f"Step {self.step} of the script cannot be carried out", str(error))]
        command = step.command
        total = len(self._plan.steps) if isinstance(self._plan, Script) else None
        out: Outputs = [StepReport(self.step, total, repr(command))]
        if isinstance(command, SleepCommand):
            self._waiting = _Waiting(step.place, until=clock + command.duration)
        elif isinstance(command, WaitUntil):
            until = None if command.timeout is None else clock + command.timeout
            self._waiting = _Waiting(step.place, until, command)
        else:
            out.append(SendCommand(command))
            if step.wait:
                self._waiting = _Waiting(step.place, answered=False)
        return out

    def _as_step(self, given: Any) -> ScriptStep:
        if isinstance(self._plan, Script):
            step: ScriptStep = given
            return step
        place = _place(self._steps, self._file)
        if isinstance(given, ScriptStep):
            return ScriptStep(given.command, given.wait, place)
        if not isinstance(given, Command):
            raise ScriptTypeError(f"{place}: yield", found=repr(given), expected="a command, or wait_until(…)")
        # There is no other reason to give a command that does nothing but answer.
        return ScriptStep(given, self._registry.answers(given), place)

    def _validate_all(self, plan: Script | GeneratorPlan) -> None:
        for step in plan.steps if isinstance(plan, Script) else ():
            self._registry.validate(step)
            self._check(step.command)

    def _close(self) -> Outputs:
        """End the generator; what its ``finally`` raises is an error as any other."""
        steps, self._steps = self._steps, None
        self._waiting = self._reply = None
        if steps is None:
            return []
        try:
            steps.close()
        except (Exception, SystemExit) as error:
            return self._raised(error)
        return []

    def _raised(self, error: BaseException, place: str = "") -> Outputs:
        """Fail with the user's part of the traceback; ``place`` is said where no line of the file is in it."""
        place = last_line(error, self._file) or place
        where = f"step {self.step}" + (f", {place}" if place else "")
        return self._fail(f"The script failed at {where}: {error}", user_traceback(error, self._file))

    def _fail(self, text: str, details: str) -> Outputs:
        self._plan = None
        return [ScriptMessage("error", text, details), *self._become(ScriptStatus.ERROR)]

    def _become(self, status: ScriptStatus) -> Outputs:
        if status is self.status:
            return []
        self.status = status
        return [StatusChange(status)]

    @staticmethod
    def _name(source: Path | Script | GeneratorPlan) -> str:
        path = source if isinstance(source, Path) else source.path
        return "The script" if path is None else str(path)


def _static(script: Script) -> _Steps:
    return (step for step in tuple(script.steps))  # a generator takes the value of a condition; `yield from` cannot


def _running(steps: Any) -> _Steps:
    generator: _Steps = steps
    return generator


def _place(steps: _Steps | None, file: str) -> str:
    """Return file and line where a generator stands; in helpers of the same file, the helper's line."""
    inner: Any = steps
    line = None
    while (frame := getattr(inner, "gi_frame", None)) is not None:
        if frame.f_code.co_filename == file or line is None:
            line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        inner = inner.gi_yieldfrom
    return line or file
