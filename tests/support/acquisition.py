"""Acquisitions for tests: small Python scripts in processes of their own."""

import sys
import textwrap
from collections.abc import Callable

from opticstream.rig.engine import Command, LineCallback, RunningEngine, RunningProcess
from support import waiting

Start = Callable[..., RunningProcess]
STUBBORN = "import signal, time\nfor s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
"""Begins a script that neither interrupt nor terminate ends."""


def script_command(code: str, *arguments: object) -> Command:
    """Return a command that runs some Python, unbuffered, without site packages: it starts in 10 ms."""
    words = (sys.executable, "-I", "-S", "-u", "-c", textwrap.dedent(code), *map(str, arguments))
    return Command(words, label="test acquisition")


def into(lines: list[str]) -> LineCallback:
    """Return a callback that collects lines."""
    return lambda _, line: lines.append(line)


def until(condition: Callable[[], object], running: RunningEngine | None = None) -> None:
    """Wait for a condition, while something runs."""
    waiting.until(condition, alive=lambda: running is None or running.poll() is None)
