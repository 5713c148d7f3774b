"""A person at a real (pseudo) terminal. POSIX only."""

import json
import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self


class PseudoTerminal:
    """Runs a command whose standard input and standard error are a terminal of its own; use as a context manager.

    Args:
        command: what to run; its standard output is a pipe.
        environment: of the command; None: ours.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._ours, self._theirs = os.openpty()
        self.mode = termios.tcgetattr(self._theirs)
        self._seen = ""
        self.process = subprocess.Popen(
            list(command),
            stdin=self._theirs,
            stderr=self._theirs,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    def expect(self, text: str, timeout_s: float = 120) -> str:
        """Wait until the text stands on the screen; return what came up to its end, and forget it."""
        deadline = time.monotonic() + timeout_s
        while text not in self._seen:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self._seen}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self._seen += os.read(self._ours, 65536).decode()
        before, found, self._seen = self._seen.partition(text)
        return before + found

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def end(self, timeout_s: float = 120) -> Any:
        """Wait for the command's end; return the JSON on its standard output."""
        out, _ = self.process.communicate(timeout=timeout_s)
        assert termios.tcgetattr(self._theirs) == self.mode, "the terminal is left in another mode"
        return json.loads(out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        os.close(self._ours)
        os.close(self._theirs)


def asking(asked: Sequence[tuple[dict[str, Any], float | None]], *more: str) -> list[str]:
    """Return the command that asks these questions, each with its time."""
    return [sys.executable, str(_CHILD), json.dumps(asked), *more]


_CHILD = Path(__file__).with_name("terminal_child.py")
