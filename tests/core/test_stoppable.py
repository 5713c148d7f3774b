"""Waiting that ends by an answer, an error, or by somebody else."""

import threading
import time

import pytest

from opticstream.core.stoppable import Stopped, unless_stopped


def test_results_and_errors_come_through() -> None:
    assert unless_stopped(lambda: False, lambda: 7, "test") == 7
    with pytest.raises(ZeroDivisionError):
        unless_stopped(lambda: False, lambda: 1 / 0, "test")


def test_a_stop_ends_the_wait_and_lets_it_put_away() -> None:
    stop, put_away = threading.Event(), threading.Event()

    def work() -> None:
        stop.set()
        try:
            while True:
                time.sleep(0.01)
        finally:
            put_away.set()

    with pytest.raises(Stopped):
        unless_stopped(stop.is_set, work, "test")
    assert put_away.is_set()
