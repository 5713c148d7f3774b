"""The ``opticstream`` command as people start it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from support.waiting import until

_ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from opticstream.cli.main import app
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(arguments)
            code = 0
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Answer(NamedTuple):
    """What one of several commands answered."""

    code: int
    stdout: str
    stderr: str


PATIENCE_S = 240.0
"""How long a command may take: its interpreter alone starts in 20 s where much else runs."""
_WORKER = Path(__file__).parents[1] / "flows" / "flow_worker.py"


def command_environment(home: Path, api: str | None = None, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of the caller's is seen: this home, this API."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "OPTICSTREAM_"))}
    kernels = os.environ.get("OPTICSTREAM_KERNEL_CACHE", str(home / "cache"))
    settings = {
        "OPTICSTREAM_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "COLUMNS": "160",
        "OPTICSTREAM_KERNEL_CACHE": kernels,
    }
    return kept | settings | ({"PREFECT_API_URL": api} if api else {}) | more


def command_line(*arguments: object) -> list[str]:
    """Return the command with its arguments."""
    return [sys.executable, "-m", "opticstream", *map(str, arguments)]


def worker_line(stop: Path, project: str, flow: str) -> list[str]:
    """Return the command of a process that runs one flow for whatever is free, until ``stop`` appears."""
    return [sys.executable, str(_WORKER), str(stop), project, flow]


def run_command(
    environment: dict[str, str], *arguments: object, expect: int = 0, timeout: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end and check its exit code."""
    done = subprocess.run(
        command_line(*arguments), env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def await_counts(look: Callable[[], object], expected: object, watch: "subprocess.Popen[str]") -> None:
    """Wait until a project's units are as far as this, while a watch runs."""
    until(lambda: look() == expected, f"{expected}", PATIENCE_S, lambda: watch.poll() is None, every_s=0.2)


def run_in_turn(environment: dict[str, str], calls: Sequence[Sequence[str]], folder: Path) -> list[Answer]:
    """Run several commands in one process and folder, which imports everything once."""
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_THE_OTHER],
        input=json.dumps(calls),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*json.loads(line)) for line in done.stdout.splitlines()]
