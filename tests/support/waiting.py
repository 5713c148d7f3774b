"""Waiting for what another process or thread does: ends as soon as it holds, so a long patience costs nothing."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60.0


def until(
    holds: Callable[[], Any],
    what: str = "what the test waits for",
    patience_s: float = PATIENCE_S,
    alive: Callable[[], object] = lambda: True,
    every_s: float = 0.01,
) -> Any:
    """Wait until something holds, and return it.

    Args:
        holds: asked again and again; what it raises comes out.
        what: told if it does not hold in time.
        patience_s: how long.
        alive: whether the one who shall bring it about lives; once not, it is asked one last time.
        every_s: pause between two looks; longer where a look is work for somebody.
    """
    end = time.monotonic() + patience_s
    while True:
        lives = alive()
        if found := holds():
            return found
        assert lives, f"it ended before: {what}"
        assert time.monotonic() < end, f"not within {patience_s:g} s: {what}"
        time.sleep(every_s)
