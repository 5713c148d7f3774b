"""Runs a command as an acquisition."""

import os
import shutil
import subprocess
import sys
import uuid
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from opticstream.core.errors import BadInput
from opticstream.core.files import write_failed
from opticstream.core.process_identity import default_host_name, process_birth, this_process
from opticstream.rig.engine.acquisition_record import METADATA_FOLDER, AcquisitionRecord, record_file
from opticstream.rig.engine.command import Command
from opticstream.rig.engine.judgement import FailureRules
from opticstream.rig.engine.line_teller import LineTeller
from opticstream.rig.engine.output_keeper import OutputKeeper
from opticstream.rig.engine.output_log import OutputLog
from opticstream.rig.engine.output_reader import OutputReader
from opticstream.rig.engine.output_sink import OutputSink
from opticstream.rig.engine.process_tree import MARK, ProcessTree
from opticstream.rig.engine.protocol import LineCallback, StreamName
from opticstream.rig.engine.running_process import Plumbing, RunningProcess
from opticstream.rig.engine.watch import Watch
from opticstream.rig.engine.watchdogs import Watchdogs
from opticstream.rig.engine.windows_job import WindowsJob

_SUSPENDED = 0x00000004  # CREATE_SUSPENDED: nothing may start before the job object holds the process


@dataclass(frozen=True)
class ProcessEngine:
    """Starts a command in a session of its own (on Windows a job object, not verified here).

    Its output goes line by line to ``on_line`` and as it comes to ``acquisition_stdout.log`` and
    ``acquisition_stderr.log``; standard input is empty. It goes on when the launcher dies, and the record in the
    session folder lets the next launch find it (`find_orphan`).
    """

    command: Command
    session_folder: Path | None = None
    """Where the record and the logs go, under ``launcher_metadata``; None: neither is written."""

    on_line: LineCallback | None = None
    """Is told each line."""

    watchdogs: Watchdogs = field(default_factory=Watchdogs)
    rules: FailureRules = field(default_factory=FailureRules)
    """What else than the exit code makes it a failure."""

    log_limit_bytes: int = 1 << 28
    """Size of a log file at which a new one is begun; one older part of each is kept."""

    host: str = field(default_factory=default_host_name)
    """This host's name in the record."""

    metadata_folder: Path | None = None
    """Of this launcher, where several share the session's folder; None: ``launcher_metadata``."""

    def start(self) -> RunningProcess:
        """Start the command.

        Raises:
            BadInput: the program or the working directory is not there, or the system refuses to run it.
            WriteFailed: the record cannot be written.
        """
        environment = os.environ | dict(self.command.env)
        argv = (_program(self.command, environment), *self.command.argv[1:])
        mark = uuid.uuid4().hex
        with ExitStack() as undo:
            teller = LineTeller(self.on_line)
            undo.callback(teller.finish, 1)
            readers = self._reader("output", teller, undo), self._reader("error", teller, undo)
            record = self._record(mark)
            file = record_file(self.session_folder, self.metadata_folder) if self.session_folder else None
            if file:
                _write(record, file)
                undo.callback(file.unlink, missing_ok=True)
            keeper = OutputKeeper(
                [(reader.read_end, log) for reader, log in zip(readers, self._logs(), strict=True)],
                self.log_limit_bytes,
            )
            undo.callback(keeper.dismiss)
            started = datetime.now(UTC)
            process, job = _spawn(argv, self.command, environment | {MARK: mark}, readers)
            undo.pop_all()
        birth = process_birth(process.pid)
        record = record.model_copy(update={"pid": process.pid, "birth": birth, "started": started})
        plumbing = Plumbing(readers, teller, keeper, file, record)
        tree = ProcessTree(process.pid, birth, mark, job)
        watch = Watch(self.watchdogs, [reader.sink for reader in readers], tree.memory)
        return RunningProcess(process, tree, plumbing, watch, self.rules, job)

    def _logs(self) -> tuple[Path | None, Path | None]:
        if self.session_folder is None:
            return None, None
        folder = self.metadata_folder or self.session_folder / METADATA_FOLDER
        return folder / "acquisition_stdout.log", folder / "acquisition_stderr.log"

    def _reader(self, stream: StreamName, teller: LineTeller, undo: ExitStack) -> OutputReader:
        path = self._logs()[stream == "error"]
        log = OutputLog(path, self.log_limit_bytes) if path else None
        reader = OutputReader(OutputSink(stream, log, teller, self.rules.patterns))
        undo.callback(reader.close)
        return reader

    def _record(self, mark: str) -> AcquisitionRecord:
        launcher = this_process(self.host)
        return AcquisitionRecord(
            label=self.command.label,
            command=self.command.argv,
            mark=mark,
            host=self.host,
            launcher_pid=launcher.pid,
            launcher_birth=launcher.birth,
            started=datetime.now(UTC),
            logs=tuple(log for log in self._logs() if log),
        )


def _write(record: AcquisitionRecord, file: Path) -> None:
    try:
        record.write(file)
    except OSError as error:
        raise write_failed(file, error) from error


def _program(command: Command, environment: dict[str, str]) -> str:
    """Return the program's path; what is not there is said before anything is started."""
    if not command.argv:
        raise BadInput(command.label, found="an empty command", expected="a program and its arguments")
    for word in command.argv:
        if "\0" in word:
            raise BadInput(command.label, found=f"a NUL character in {word!r}", expected="words without it")
    if command.cwd is not None and not command.cwd.is_dir():
        raise BadInput(f"{command.label}: working directory {command.cwd}", found="no folder", expected="a folder")
    found = shutil.which(command.argv[0], path=environment.get("PATH"))
    if found is None:
        name = command.argv[0]
        there = Path(name).exists()
        raise BadInput(
            f"{command.label}: program {name}",
            found="a file that may not be run" if there else "nothing there",
            expected="an executable file, or a name on PATH",
        )
    return str(Path(found).absolute())


def _spawn(
    argv: tuple[str, ...], command: Command, environment: dict[str, str], readers: tuple[OutputReader, ...]
) -> tuple[subprocess.Popen[bytes], WindowsJob | None]:
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | _SUSPENDED}
    try:
        process = subprocess.Popen(
            argv,
            cwd=command.cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=readers[0].write_end,
            stderr=readers[1].write_end,
            **options,
        )
    except OSError as error:
        raise BadInput(
            f"{command.label}: {argv[0]}",
            found=error.strerror or str(error),
            expected="a program this system can run",
        ) from None
    job = None
    if sys.platform == "win32":
        with suppress(OSError):  # without it the tree is still found by descent and mark
            job = WindowsJob(process.pid)
        psutil.Process(process.pid).resume()
    return process, job
