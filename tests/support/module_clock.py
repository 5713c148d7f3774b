"""The clock of one module, put forward by a test."""

import time
from types import SimpleNamespace
from typing import Any

import pytest


class ModuleClock:
    """The clock of one module, put forward by the test: nothing is late because a process stood still."""

    def __init__(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s = 0.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=self._now, sleep=time.sleep))

    def _now(self) -> float:
        return time.monotonic() + self.ahead_s
