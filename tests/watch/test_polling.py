import os
import signal
import threading

import pytest

from opticstream.watch import (
    HandlerStop,
    PollingStableWatcher,
    SnapshotSource,
    run_watcher_until_interrupt,
    wait_until_stable,
)
from opticstream.watch.wait_stable import tree_fingerprint
from support.waiting import PATIENCE_S


class Clock:
    """A clock that also is a stop signal: waiting on it makes time pass."""

    def __init__(self, ends=1e9, on_wait=lambda now: None):
        self.now, self.ends, self.on_wait = 0.0, ends, on_wait

    def __call__(self):
        return self.now

    def is_set(self):
        return self.now >= self.ends

    def wait(self, timeout):
        self.on_wait(self.now)
        self.now += timeout
        return self.is_set()


def test_the_loop_offers_what_is_stable_and_waits_between_passes():
    clock, there, ready = Clock(ends=40), {"a": 1}, []
    source = SnapshotSource(lambda: there, lambda name: name, lambda name: ((name, there[name], 0),))

    def process(tick):
        ready.extend((tick.now, key) for key in tick.observation.ready)
        if tick.now == 10:
            there["b"] = 1
        return tick.now

    watcher = PollingStableWatcher(source.poll, process, stability_seconds=10, clock=clock)
    assert watcher.run(clock, 5) == 35
    assert ready == [(10, "a"), (25, "b")]


def test_a_pass_may_follow_at_once_and_end_the_run():
    clock, passes = Clock(), []
    watcher = PollingStableWatcher(dict_source, lambda tick: passes.append(clock.now), stability_seconds=0, clock=clock)
    watcher.run(clock, 5, until=lambda _: len(passes) == 4, at_once=lambda _: len(passes) == 2)
    assert passes == [0, 5, 5, 10]


def dict_source():
    from opticstream.watch import Delta

    return Delta()


def test_stop_ends_a_long_wait():
    stop, waiting = threading.Event(), threading.Event()

    class Stop:
        is_set = stop.is_set

        def wait(self, timeout):
            waiting.set()
            return stop.wait(timeout)

    watcher = PollingStableWatcher(dict_source, lambda tick: None, stability_seconds=0)
    thread = threading.Thread(target=watcher.run, args=(Stop(), 3600.0))
    thread.start()
    assert waiting.wait(PATIENCE_S)
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_stop_before_the_first_pass_means_no_pass():
    clock = Clock(ends=0)
    watcher = PollingStableWatcher(dict_source, lambda tick: 1, stability_seconds=0, clock=clock)
    assert watcher.run(clock, 5) is None


def test_a_candidate_whose_fingerprint_fails_stays_as_it_was(caplog):
    broken = []

    def fingerprint(name):
        if broken:
            raise OSError("stale handle")
        return ((name, 1, 1),)

    source = SnapshotSource(lambda: ["a"], lambda name: name, fingerprint)
    assert list(source.poll().changed) == ["a"]
    broken.append(1)
    for _ in range(3):
        delta = source.poll()
        assert (dict(delta.changed), list(delta.gone)) == ({}, [])
    assert caplog.text.count("stale handle") == 1
    broken.clear()
    assert not source.poll().changed


@pytest.mark.skipif(os.name != "posix", reason="raises a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_watcher_and_handlers_are_put_back(number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    passes = []

    def process(tick):
        passes.append(tick.now)
        signal.raise_signal(number)
        return "report"

    watcher = PollingStableWatcher(dict_source, process, stability_seconds=0)
    assert run_watcher_until_interrupt(lambda stop: watcher.run(stop, 3600.0)) == "report"
    assert len(passes) == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_signal_ends_the_wait():
    def run(stop):
        timer = threading.Timer(0.02, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
        timer.start()
        stopped = stop.wait(3600)
        timer.join()
        return stopped

    assert run_watcher_until_interrupt(run)


def test_a_second_signal_breaks_off():
    def run(stop):
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_watcher_until_interrupt(run)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_second_signal_that_meets_a_destructor_is_raised_again():
    class Met:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def run(stop):
        signal.raise_signal(signal.SIGINT)
        met = Met()
        del met  # Python drops what is raised here
        threading.Event().wait(60)

    with pytest.raises(KeyboardInterrupt):
        run_watcher_until_interrupt(run)


def test_handler_stop_runs_out():
    stop = HandlerStop()
    assert not stop.wait(0.001)
    stop.set()
    assert stop.wait(3600)


def test_wait_until_stable_sees_growth_in_subfolders(tmp_path):
    (tmp_path / "sub").mkdir()

    def grow(now):
        if now < 5:
            (tmp_path / "sub" / "file").write_text("x" * int(now + 1))

    clock = Clock(on_wait=grow)
    assert wait_until_stable(tmp_path, 3, stop=clock, clock=clock)
    assert clock.now == 8
    assert [mark[0] for mark in tree_fingerprint(tmp_path)] == ["sub/file"]


def test_wait_until_stable_gives_up(tmp_path):
    clock = Clock(on_wait=lambda now: (tmp_path / f"{now}").touch())
    assert not wait_until_stable(tmp_path, 3, timeout_s=10, stop=clock, clock=clock)
    assert not wait_until_stable(tmp_path, 3, stop=Clock(ends=0))


def test_wait_until_stable_outlasts_a_folder_that_is_away(tmp_path):
    folder = tmp_path / "late"
    clock = Clock(on_wait=lambda now: folder.mkdir() if now == 4 else None)
    assert wait_until_stable(folder, 2, stop=clock, clock=clock)
    assert clock.now == 7
