"""Launches without Prefect: in this process, or as the command in one of its own; and what they leave behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from opticstream.rig.launcher import BaseLauncher, LaunchRequest, SessionReport, Source
from opticstream.rig.launcher.run import run_plainly
from support.command import command_environment, command_line
from support.pipeline import Desk
from support.waiting import until

PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]
"""Begins a command that runs some Python at once: without site packages it starts in 10 ms."""
LONG = "import time\nprint('on', flush=True)\ntime.sleep(300)\n"
STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"
grandchild = subprocess.Popen([sys.executable, "-I", "-S", "-u", "-c", child], stdout=subprocess.PIPE, start_new_session=True)
grandchild.stdout.readline()
print("grandchild", grandchild.pid, flush=True)
time.sleep(300)
"""


def parameters(folder: Path, code: str | None = None, **more: Any) -> dict[str, Any]:
    """Return parameters of a session below ``folder`` that runs some Python; None: no acquisition."""
    given = {"subject_id": "m1", "user_id": "u1", "output_root_folder": str(folder / "out"), "resource_log_interval": 0}
    command = {} if code is None else {"launcher": "base", "command": [*PYTHON, code]}
    return {**given, **command, "process_stop_timeout_sec": 2, **more}


def script(folder: Path, name: str, code: str) -> str:
    """Write a module's script; return what ``module_path`` says of it."""
    file = folder / f"{name}.py"
    file.write_text(code, "utf-8")
    return str(file)


def module(folder: Path, name: str, body: str, **entry: Any) -> dict[str, Any]:
    """Return an entry whose ``run(context)`` has this body, and leaves a file of its name in the session folder."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    code = f"def run(context):\n    (context.session_folder / 'ran_{name}').touch()\n{lines}\n"
    return {"module_type": "script_module", "module_path": script(folder, name, code), **entry}


def launched(
    given: dict[str, Any] | Path | None,
    *,
    operator: Desk | str = "headless",
    launcher: BaseLauncher | None = None,
    resume_from: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> SessionReport:
    """Launch a session in this process."""
    if isinstance(operator, str):
        return run_plainly(LaunchRequest(Source(given, None, overrides or {}), operator, launcher, resume_from))
    from opticstream.core.steps import PlainSteps
    from opticstream.rig.launcher.conduct import conduct

    return conduct(LaunchRequest(Source(given, None, overrides or {}), "desk", launcher), PlainSteps(), operator)


class Left:
    """What a session left in its folder."""

    def __init__(self, folder: Path | None) -> None:
        assert folder is not None, "the session has no folder"
        self.folder, self.metadata = folder, folder / "launcher_metadata"

    def json(self, name: str) -> Any:
        return json.loads((self.metadata / f"{name}.json").read_text("utf-8"))

    @property
    def end(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("end_state")
        return found

    @property
    def log(self) -> str:
        return (self.metadata / "launcher.log").read_text("utf-8")

    @property
    def ran(self) -> set[str]:
        return {path.name.removeprefix("ran_") for path in self.folder.glob("ran_*")}

    @property
    def modules(self) -> dict[str, str]:
        return {each["name"]: each["outcome"] for each in self.end["modules"]}

    @property
    def modules_messages(self) -> dict[str, str]:
        return {each["name"]: each["message"] for each in self.end["modules"]}


def only_session(root: Path) -> Left:
    """Return the one session below an output root."""
    (folder,) = [path for path in root.iterdir() if path.is_dir()]
    return Left(folder)


class Launch:
    """The command ``opticstream launch`` in a process and process group of its own."""

    def __init__(self, home: Path, given: dict[str, Any], *more: object, **environment: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.file = home / f"params{time.monotonic_ns()}.json"
        self.file.write_text(json.dumps(given), "utf-8")
        self.root = Path(given["output_root_folder"])
        self.said = b""
        line = command_line("launch", self.file, "--no-prefect", "--operator", "headless", "--json", *more)
        self.process = subprocess.Popen(
            line,
            env=command_environment(home, **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until(self, condition: Callable[[], object], timeout_s: float = 60) -> None:
        """Wait for a condition while it runs."""
        until(condition, patience_s=timeout_s, alive=self._runs)

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        return True

    def until_acquiring(self, said: str = "on") -> "Left":
        """Wait until the acquisition has printed something; return its session."""
        self.until(lambda: list(self.root.glob("*/launcher_metadata/acquisition_stdout.log")))
        left = only_session(self.root)
        self.until(lambda: _whole_line(left.metadata / "acquisition_stdout.log", said))
        return left

    def send(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the launcher, or to its process group as a terminal does."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def ended(self, expect: int, timeout_s: float = 100) -> dict[str, Any]:
        """Wait for the end; return what it printed."""
        out, err = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == expect, (self.process.returncode, out, err)
        self.err = err
        found: dict[str, Any] = json.loads(out) if out.strip() else {}
        return found

    def close(self) -> None:
        """End whatever is left of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


def _whole_line(file: Path, said: str) -> bool:
    """Say whether the file has a line with that; the one that is being written may lack its end."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    return any(said in line and line.endswith("\n") for line in lines)


def lives(pid: int) -> bool:
    """Say whether a process runs."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
