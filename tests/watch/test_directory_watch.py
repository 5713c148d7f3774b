import os
import threading
import time

import pytest

from opticstream.core.errors import BadInput
from opticstream.watch import NewFolderHandler, polling_scanner
from opticstream.watch.folder_events import FolderEvents
from opticstream.watch.hinted_stop import HintedStop
from support.waiting import PATIENCE_S, until


@pytest.fixture
def observe(folder, request):
    from watchdog.observers import Observer

    found, changed = [], []
    observer = Observer()
    handler = NewFolderHandler(folder, lambda path: found.append(path.name), lambda path: changed.append(path.name))
    observer.schedule(handler, str(folder), recursive=getattr(request, "param", False))
    observer.start()
    yield found, changed
    observer.stop()
    observer.join()


def test_the_handler_tells_of_new_immediate_subfolders_only(folder, observe, tmp_path):
    found, _ = observe
    (folder / "file").touch()
    (folder / "Run1").mkdir()
    (folder / "Run1" / "sub").mkdir()
    outside = tmp_path / "Run2"
    outside.mkdir()
    outside.rename(folder / "Run2")
    (folder / "Run2").rename(folder / "Run3")
    (folder / "last").mkdir()
    assert until(lambda: "last" in found)
    assert found == ["Run1", "Run2", "Run3", "last"]


@pytest.mark.parametrize("observe", [True], indirect=True, ids=["recursive"])
def test_the_handler_tells_of_changed_subfolders(folder, observe):
    found, changed = observe
    (folder / "Run1").mkdir()
    assert until(lambda: found)
    (folder / "Run1" / "file").touch()
    assert until(lambda: "Run1" in changed)
    assert set(changed) == {"Run1"}


def test_the_scanner_finds_each_folder_once_and_again_when_it_comes_back(folder):
    looks, found = [], []

    class Stop:
        def is_set(self):
            return len(looks) == 5

        def wait(self, timeout):
            looks.append(timeout)
            if len(looks) == 2:
                (folder / "b").mkdir()
                (folder / "known").rmdir()
            if len(looks) == 3:
                (folder / "known").mkdir()
            return self.is_set()

    for name in ("known", "c", "a"):
        (folder / name).mkdir()
    (folder / "file").touch()
    polling_scanner(folder, lambda path: found.append(path.name), Stop(), poll_interval_s=3, known=["known"])
    assert found == ["a", "c", "b", "known"]
    assert looks == [3] * 5


def test_the_scanner_outlasts_a_folder_that_is_away(folder, caplog):
    looks, found = [], []
    aside = folder.with_name("aside")
    (folder / "Run1").mkdir()

    class Stop:
        def is_set(self):
            return len(looks) == 5

        def wait(self, timeout):
            looks.append(timeout)
            if len(looks) == 1:
                folder.rename(aside)
            if len(looks) == 4:
                aside.rename(folder)
                (folder / "Run2").mkdir()
            return self.is_set()

    polling_scanner(folder, lambda path: found.append(path.name), Stop())
    assert found == ["Run1", "Run2"]
    assert caplog.text.count("cannot be listed") == 1


def test_the_scanner_needs_an_interval(folder):
    with pytest.raises(BadInput, match="poll_interval_s"):
        polling_scanner(folder, print, threading.Event(), poll_interval_s=0)


@pytest.fixture
def events(folder):
    events = FolderEvents(folder)
    yield events
    events.stop()


def test_events_are_hints_until_they_are_taken(folder, events):
    events.start()
    (folder / "Run1").mkdir()
    (folder / "file").touch()
    assert until(events.is_new)
    assert events.take() == {"Run1"}
    assert not events.is_new()
    assert events.take() == set()


def test_looking_at_the_folder_is_no_event(folder, events):
    (folder / "Run1").mkdir()
    events.start()
    for _ in range(3):
        for path in folder.iterdir():
            list(path.iterdir())
    (folder / "Run2").mkdir()
    assert until(events.is_new)
    assert events.take() == {"Run2"}


@pytest.mark.skipif(os.name == "nt", reason="an observed folder cannot be renamed there")
def test_a_folder_that_is_mounted_anew_is_observed_anew(folder, events):
    events.start()
    observer = events._observer
    events.start()
    assert events._observer is observer
    folder.rename(folder.with_name("aside"))
    events.start()
    folder.mkdir()
    events.start()
    assert events._observer is not observer
    (folder / "Run1").mkdir()
    assert until(events.is_new)


def test_an_observer_that_died_is_started_again(folder, events):
    events.start()
    events._observer.stop()
    events._observer.join()
    events.start()
    (folder / "Run1").mkdir()
    assert until(events.is_new)


def test_a_system_without_events_is_one_warning(folder, events, monkeypatch, caplog):
    import watchdog.observers

    class Full(watchdog.observers.Observer):
        def start(self):
            super().start()
            raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watchdog.observers, "Observer", Full)
    for _ in range(3):
        events.start()
    assert caplog.text.count("inotify watch limit reached") == 1
    assert (events.is_new(), events.take()) == (False, set())


def test_a_hint_ends_the_wait_but_not_at_once():
    class Stop:
        waits, stops_after = 0, 1000

        def is_set(self):
            return self.waits >= self.stops_after

        def wait(self, timeout):
            self.waits += 1
            return self.is_set()

    stop = Stop()
    assert not HintedStop(stop, lambda: True).wait(60)
    assert stop.waits == 8
    assert not HintedStop(stop, lambda: False).wait(1)
    assert stop.waits == 24
    stop.stops_after = 27
    assert HintedStop(stop, lambda: True).wait(60)
    assert stop.waits == 27


def test_a_new_folder_wakes_the_watcher(strips):
    stop, service = threading.Event(), strips.watch(clock=time.monotonic, stability_seconds=0)
    thread = threading.Thread(target=service.run, args=(stop, 3600.0))
    thread.start()
    assert until(lambda: strips.notes.reports)
    aside = strips.folder.with_name("Run1")
    aside.mkdir()
    (aside / "file").touch()
    aside.rename(strips.folder / "Run1")
    try:
        until(lambda: strips.notes.reports[-1].seen)
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_polling_only_starts_no_thread(strips):
    before = threading.active_count()
    service = strips.watch(polling_only=True)
    stop = threading.Event()
    with service.listening(stop) as same:
        assert same is stop
        assert threading.active_count() == before


@pytest.mark.skipif(os.name == "nt", reason="an observed folder cannot be renamed there")
def test_the_watcher_hears_of_a_root_that_is_mounted_anew(strips):
    service = strips.watch()
    with service.listening(threading.Event()):
        strips.folder.rename(strips.folder.with_name("aside"))
        assert service.run_pass().folder_error
        strips.folder.mkdir()
        service.run_pass()
        (strips.folder / "Run1").mkdir()
        assert until(service._events.is_new)
        service.run_pass()
        assert not service._events.is_new()
