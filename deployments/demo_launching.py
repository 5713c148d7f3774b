"""Sessions of the demo, launched as people launch them."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any


def launch_process(stack: ExitStack, name: str, params: Path, answers: Path) -> "subprocess.Popen[str]":
    """Start ``opticstream launch`` with answers from a file; what it says goes to a log beside the parameters."""
    log = stack.enter_context(params.with_name(f"{name}.log").open("wb"))
    command = [sys.executable, "-m", "opticstream", "launch", str(params), "--operator", str(answers), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True)
    return stack.enter_context(process)


def told_end(said: str) -> dict[str, Any]:
    """Return what a launch told of its end; one that told nothing failed."""
    try:
        end: dict[str, Any] = json.loads(said)
    except ValueError:
        return {"exit_code": 1, "durations": {}, "session_name": "not launched"}
    return end
