"""What an engine costs: from start to the child's first line, a flood of output, and the end, beside a bare child.

Run as ``python benchmarks/engine.py [--small]``; each way is measured in turn, the medians are told.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from _emit import emit

from opticstream.rig.engine import Command, ProcessEngine

FLOOD = """
import os
block = (b"x" * 79 + b"\\n") * 4096
for _ in range({blocks}): os.write(1, block)
"""
BLOCK = 80 * 4096


def _command(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def bare(code: str) -> tuple[float, float]:
    """Return the seconds to the first output and to the end of a child that is only read."""
    began = time.perf_counter()
    first = 0.0
    with subprocess.Popen(_command(code), stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        while os.read(child.stdout.fileno(), 1 << 16):
            first = first or time.perf_counter() - began
    return first, time.perf_counter() - began


def engine(code: str, folder: Path | None) -> tuple[float, float]:
    """Return the same of an acquisition."""
    said = threading.Event()
    at: list[float] = []

    def line(*_: str) -> None:
        if not at:
            at.append(time.perf_counter())
            said.set()

    began = time.perf_counter()
    result = ProcessEngine(Command(tuple(_command(code))), folder, on_line=line).start().final()
    ended = time.perf_counter()
    assert result.succeeded, result
    return at[0] - began, ended - began


def _compare(case: str, metric: str, rounds: int, own: Callable[[], float], other: Callable[[], float]) -> None:
    pairs = [(own(), other()) for _ in range(rounds)]
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    emit("engine", case, metric, round(ours, 4), "s", ratio=ours / theirs, against=f"bare child ({theirs:.4f} s)")


def main() -> None:
    """Measure and print."""
    small = "--small" in sys.argv[1:]
    rounds, blocks = (5, 200) if small else (30, (1 << 30) // BLOCK)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _compare(
            "start", "to the first line", rounds, lambda: engine("print(1)", folder)[0], lambda: bare("print(1)")[0]
        )
        _compare("whole", "to the result", rounds, lambda: engine("print(1)", folder)[1], lambda: bare("print(1)")[1])
        flood = FLOOD.format(blocks=blocks)
        size = f"{blocks * BLOCK / 1e6:.0f} MB"
        _compare(f"flood {size}", "without logs", 3, lambda: engine(flood, None)[1], lambda: bare(flood)[1])
        _compare(f"flood {size}", "with logs", 3, lambda: engine(flood, folder)[1], lambda: bare(flood)[1])


if __name__ == "__main__":
    main()
