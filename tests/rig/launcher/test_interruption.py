"""`Interruption`: who ends a session, and where it ends."""

import os
import signal
import threading
import time

import pytest

from opticstream.rig.launcher.interruption import Interrupted, Interruption

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def from_another_thread(interruption: Interruption) -> threading.Thread:
    thread = threading.Thread(target=interruption.request, args=("enough",))
    thread.start()
    return thread


def test_another_thread_ends_what_a_signal_would_end() -> None:
    began = threading.Event()
    with Interruption() as interruption:
        thread = threading.Thread(target=lambda: (began.wait(), interruption.request("enough")))
        thread.start()
        with pytest.raises(Interrupted, match="enough"), interruption.raised_here():
            began.set()
            time.sleep(60)
        thread.join()
        with pytest.raises(Interrupted, match="enough"):
            interruption.check()
    assert not interruption.terminated


def test_outside_of_it_the_session_ends_at_its_next_step() -> None:
    with Interruption() as interruption:
        from_another_thread(interruption).join()
        assert interruption.reason == "enough"
        with pytest.raises(Interrupted, match="enough"):
            interruption.check()


def test_what_runs_is_told_once_and_a_signal_after_it_is_impatience() -> None:
    told: list[tuple[str, bool]] = []
    with Interruption() as interruption, interruption.passed_to(lambda *word: told.append(word)):
        from_another_thread(interruption).join()
        assert told == [("enough", False)]
        signal.raise_signal(signal.SIGINT)
    assert told == [("enough", False), ("enough", True)]


def test_a_signal_after_a_request_that_raised_is_impatience_too() -> None:
    told: list[tuple[str, bool]] = []
    with Interruption() as interruption:
        with pytest.raises(Interrupted), interruption.raised_here():
            from_another_thread(interruption).join()
            time.sleep(60)
        with interruption.passed_to(lambda *word: told.append(word)):
            signal.raise_signal(signal.SIGTERM)
    assert told == [("enough", True)]
