"""Calls an entry point in GNU Octave, which needs no licence."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.files import write_failed, write_text
from opticstream.rig.engine.acquisition_record import METADATA_FOLDER
from opticstream.rig.engine.command import Command
from opticstream.rig.engine.judgement import FailureRules
from opticstream.rig.engine.matlab_call import FunctionCall, MatlabCall, Stage
from opticstream.rig.engine.matlab_loss import can_be_resumed, resume_stage
from opticstream.rig.engine.octave_literal import octave_literal
from opticstream.rig.engine.process_engine import ProcessEngine
from opticstream.rig.engine.protocol import LineCallback
from opticstream.rig.engine.result import EngineResult
from opticstream.rig.engine.retrying_engine import Decision, RetryingEngine, RetryPolicy, RunningRetries
from opticstream.rig.engine.running_process import RunningProcess
from opticstream.rig.engine.watchdogs import Watchdogs

_ERROR_EXIT = 1


@dataclass(frozen=True)
class OctaveEngine:
    """Calls the same entry points as `MatlabEngine`, with the same arguments, in a process of its own for each attempt.

    An Octave that is killed, or an entry point that lost its window, is resumed as MATLAB is; an error of the entry
    point is not. There is no engine that could be kept: each attempt ends its Octave.
    """

    call: MatlabCall
    session_folder: Path
    """Where script, record and logs go, under ``launcher_metadata``."""

    paths: Sequence[Path] = ()
    """Folders with the entry point and what it calls."""

    executable: str = "octave-cli"
    max_resumes: int = 10
    on_line: LineCallback | None = None
    watchdogs: Watchdogs = field(default_factory=Watchdogs)
    rules: FailureRules = field(default_factory=FailureRules)
    host: str | None = None
    """This host's name in the record; None: as `default_host_name` says."""
    metadata_folder: Path | None = None
    """Of this launcher, where several share the session's folder; None: ``launcher_metadata``."""

    def start(self) -> RunningRetries:
        """Start Octave.

        Raises:
            BadInput: Octave or a folder of ``paths`` is not there.
            WriteFailed: script or record cannot be written.
        """
        if shutil.which(self.executable) is None:
            raise BadInput(
                "matlab_backend octave",
                found=f"no program {self.executable}",
                expected="GNU Octave (octave-cli) on PATH",
                action="Install GNU Octave.",
            )
        for path in self.paths:
            if not path.is_dir():
                raise BadInput("matlab_backend octave", found=f"no folder {path}", expected="where the entry point is")
        attempts = _Attempts(self)
        return RetryingEngine(attempts, RetryPolicy(self.max_resumes), attempts.decide).start()

    def attempt(self, number: int, stage: Stage | None) -> RunningProcess:
        """Start one Octave.

        Args:
            number: of the attempt, from 1.
            stage: where a resumed call goes on; None: the first call.
        """
        script = (self.metadata_folder or self.session_folder / METADATA_FOLDER) / "octave_call.m"
        calls = [*self.call.prelude(number, stage), self.call.main(stage)]
        try:
            write_text(script, octave_script(calls, self.paths))
        except OSError as error:
            raise write_failed(script, error) from error
        command = Command(
            (self.executable, "--no-gui", "--quiet", "--no-history", str(script.absolute())), label="Octave acquisition"
        )
        engine = ProcessEngine(
            command,
            self.session_folder,
            on_line=self.on_line,
            watchdogs=self.watchdogs,
            rules=self.rules,
            metadata_folder=self.metadata_folder,
        )
        return (replace(engine, host=self.host) if self.host else engine).start()


class _Attempts:
    """Each start is the next attempt; what it resumes is in the result before."""

    def __init__(self, engine: OctaveEngine) -> None:
        self._engine = engine
        self._number = 0
        self._stage: Stage | None = None

    def start(self) -> RunningProcess:
        self._number += 1
        return self._engine.attempt(self._number, self._stage)

    def decide(self, result: EngineResult) -> Decision:
        said = "\n".join(result.error_tail)
        lost = result.signal is not None or (result.exit_code == _ERROR_EXIT and can_be_resumed(said))
        if not (lost and self._engine.call.enable_resume):
            return "abort"
        self._stage = resume_stage(said)
        return "retry"


def octave_script(calls: Sequence[FunctionCall], paths: Sequence[Path]) -> str:
    """Return a script that makes the calls one after the other; an error is printed with its identifier, exit code 1."""
    lines = [
        "1;  % a script, not a function's file",
        "more off; page_screen_output (false); page_output_immediately (true); crash_dumps_octave_core (false);",
        *(f"addpath ({octave_literal(str(path.absolute()))});" for path in paths),
        "try",
        *(f"  {_statement(call)}" for call in calls),
        "catch problem",
        "  fflush (stdout);",
        "  for frame = problem.stack(:)'",
        '    fprintf (stderr, "  in %s, line %d\\n", frame.name, frame.line);',
        "  end",
        "  words = strjoin (strsplit (strtrim (problem.message)), ' ');",
        "  name = problem.identifier;",
        "  if (! isempty (name)) words = [name ': ' words]; end",
        '  fprintf (stderr, "error: %s\\n", words);',
        f"  exit ({_ERROR_EXIT});",
        "end",
        "fflush (stdout);",
    ]
    return "\n".join(lines) + "\n"


def _statement(call: FunctionCall) -> str:
    arguments: list[Any] = [call.function, *call.arguments]
    words = ", ".join(octave_literal(argument) for argument in arguments)
    results = ", ".join(f"result_{index}" for index in range(call.nargout))
    return f"{f'[{results}] = ' if results else ''}feval ({words});"
