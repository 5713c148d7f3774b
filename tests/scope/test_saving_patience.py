"""Who saves is waited for while it is at work, and not when it hangs."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opticstream.scope.processing import saving_patience
from opticstream.scope.processing.saving_patience import SavingPatience
from support.waiting import until


@contextmanager
def process(code: str) -> Iterator["subprocess.Popen[bytes]"]:
    line = [sys.executable, "-I", "-S", "-c", f"print('on', flush=True)\n{code}"]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout and running.stdout.readline()
            yield running
        finally:
            running.kill()


def test_one_at_work_is_waited_for_until_it_rests() -> None:
    with process("while True: pass") as busy:
        patience = SavingPatience(0.0, lambda: [busy.pid])
        for _ in range(30):
            assert patience.left() > 0
            time.sleep(0.02)
        busy.kill()
        busy.wait()
        until(lambda: patience.left() == 0)


def test_one_that_hangs_costs_what_was_said() -> None:
    with process("import time; time.sleep(600)") as hung:
        patience = SavingPatience(0.5, lambda: [hung.pid])
        began = time.monotonic()
        until(lambda: patience.left() == 0)
        assert time.monotonic() - began >= 0.5


def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving_patience, "SAVING_S", 0.2)
    with process("while True: pass") as busy:
        patience = SavingPatience(0.1, lambda: [busy.pid])
        until(lambda: patience.left() == 0)


def test_one_that_is_made_later_is_watched_too() -> None:
    pids: list[int] = []
    patience = SavingPatience(0.0, lambda: pids)
    assert patience.left() == 0
    with process("while True: pass") as busy:
        pids.append(busy.pid)
        assert patience.left() > 0


def test_nobody_saves_and_nobody_is_waited_for() -> None:
    assert SavingPatience(0.0).left() == 0
    assert 0 < SavingPatience(60.0).left() <= 0.1
