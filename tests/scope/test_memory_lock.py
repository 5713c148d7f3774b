"""A lock that dies with its holder."""

import threading
from pathlib import Path

import pytest

from opticstream.scope.memory import WriterLock
from support.memory_children import LONG_S, asked, child, die_holding, hold, spawn_pipe


@pytest.fixture
def lock(tmp_path: Path) -> WriterLock:
    return WriterLock(tmp_path / "tracks.lock")


def test_one_holder_at_a_time_in_one_process(lock: WriterLock) -> None:
    other = WriterLock(lock.path)
    with lock as held:
        assert held
        assert not other.acquire(block=False)
        assert not other.acquire(timeout=0.03)
        assert not lock.acquire(block=False)  # not reentrant, as the documented one
    assert other.acquire(timeout=LONG_S)
    other.release()
    for each in (lock, other):
        with pytest.raises(ValueError, match=r"tracks.lock is not held"):
            each.release()


def test_who_waits_gets_it(lock: WriterLock) -> None:
    got: list[bool] = []
    lock.acquire()
    thread = threading.Thread(target=lambda: got.append(WriterLock(lock.path).acquire(timeout=LONG_S)))
    thread.start()
    lock.release()
    thread.join()
    assert got == [True]


def test_a_dead_holder_holds_nothing(lock: WriterLock) -> None:
    assert asked(die_holding, lock) == "held"
    assert lock.acquire(timeout=LONG_S)
    lock.release()


def test_a_killed_holder_holds_nothing(lock: WriterLock) -> None:
    ours, theirs = spawn_pipe()
    with ours, theirs:
        with child(hold, theirs, lock) as process:
            assert ours.poll(LONG_S)
            assert not lock.acquire(block=False)
            process.kill()
            assert lock.acquire(timeout=LONG_S)
    lock.release()
    lock.unlink()
    lock.unlink()
    assert not lock.path.exists()
