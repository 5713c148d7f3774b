"""Waits that a standstill does not use up."""

import threading

from opticstream.core.patience import joined, patiently


def test_what_is_done_ends_the_wait() -> None:
    asked: list[float] = []

    def wait(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) == 3

    assert patiently(wait, 600) and len(asked) == 3


def test_what_never_is_ends_with_the_time() -> None:
    asked: list[float] = []
    assert not patiently(asked.append, 2.0)
    assert 2.0 <= sum(asked) < 2.1


def test_no_time_is_one_look() -> None:
    event = threading.Event()
    assert not patiently(event.wait, 0)
    event.set()
    assert patiently(event.wait, 0)


def test_a_standstill_is_no_patience() -> None:
    """The machine stops within the first wait for longer than all may take: the others are still to come."""
    clock, asked = [0.0], 0

    def wait(seconds: float) -> bool:
        nonlocal asked
        asked += 1
        clock[0] += 3600.0 if asked == 1 else seconds
        return clock[0] > 3600.5

    assert patiently(wait, 2.0)


def test_a_thread_is_waited_for() -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    assert not joined(thread, 0.01)
    go.set()
    assert joined(thread, 60)
