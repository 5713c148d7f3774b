"""Shared memory between real processes: at full speed, and when one of them is killed."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from opticstream.scope.memory import (
    BeadRoiBuffer,
    BufferUnderflow,
    Doorbell,
    InterprocessValues,
    MatrixBuffer,
    ScopeEvent,
    SegmentMissing,
    SharedValue,
    VideoBuffer,
    segment_name,
    unlink_segment,
)
from support import memory_children as children
from support.memory_children import LONG_S, asked, child, fresh_name
from support.waiting import until

SHARED_MEMORY = Path("/dev/shm")
READS = 55_000
"""By each of two processes, of frames and of rows."""


def _video(n_stacks: int = 4, n_images: int = 1) -> VideoBuffer:
    return VideoBuffer(fresh_name(), True, n_stacks=n_stacks, n_images=n_images, width=48, height=64, bits=64)


def _two_readers(check: Callable[..., None], *args: Any) -> list[Any]:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(asked(check, *args))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 2
    return answers


def test_names_are_short_and_each_of_its_own() -> None:
    names = [
        segment_name(uid, buffer)
        for uid in ("ab12", "ab12-VideoBuffer", "a" * 30, "scope 1")
        for buffer in ("VideoBuffer", "TracksBuffer", "x" * 40, "x" * 41, "b-VideoBuffer", "µ")
    ]
    assert len({name.lower() for name in names}) == len(names)
    assert max(map(len, names)) <= 30
    assert all(name.isascii() and "/" not in name and "\\" not in name for name in names)
    assert segment_name("ab12", "VideoBuffer") == "os-ab12-VideoBuffer"


def test_a_spawned_child_attaches_by_itself() -> None:
    with (
        _video(2, 2) as video,
        MatrixBuffer(fresh_name(), True, (10, 2)) as matrix,
        BeadRoiBuffer(fresh_name(), True) as beads,
        InterprocessValues(fresh_name(), True) as values,
        ScopeEvent(fresh_name(), True) as event,
    ):
        for value in (5, 6):
            video.write_image_and_timestamp(np.full((48, 64), value, np.uint64), 1.0, value)
        matrix.write([1.0, 2.0])
        beads.add_beads({3: (0, 1, 0, 1)})
        values.frames_tracked.value = 9
        event.set()
        found = asked(children.tell, video, matrix, beads, values, event)
        assert found == ([5, 6], [5, 6], [[1.0, 2.0]], [3], 9, True, [False] * 5)
        assert values.frames_dropped.value == 5
        assert video.peak_stack().sequence == 0  # the child closed its own only


def test_no_frame_is_torn() -> None:
    with _video() as video, child(children.write_frames, video):
        for torn, reads in _two_readers(children.check_frames, video, READS):
            assert torn == 0
            assert reads >= READS


def test_no_row_is_torn() -> None:
    with MatrixBuffer(fresh_name(), True, (40, 6)) as matrix, child(children.write_rows, matrix):
        for torn, rows, unaccounted in _two_readers(children.check_rows, matrix, READS):
            assert torn == 0
            assert rows == unaccounted  # read, or counted as missed


def test_no_two_versions_of_the_beads_are_mixed() -> None:
    with BeadRoiBuffer(fresh_name(), True) as beads, child(children.write_beads, beads):
        assert _two_readers(children.check_beads, beads, 5000) == [0, 0]


def test_writers_killed_at_any_moment_leave_whole_frames() -> None:
    with _video() as video:
        for turn in range(4):
            with child(children.write_frames, video):
                children.wait_for_frame(video, video.frames_written + 20 + turn)
            newest, timestamp, number = video.peak_image()
            assert (newest == children.frame(number)[0, 0]).all()
            assert timestamp == number
            assert video.next_number - video.frames_dropped == video.frames_written
            assert video.next_number - number <= 2  # at most the frame that the kill cost, and its number says so


def test_a_frame_that_died_half_written_is_never_seen() -> None:
    with _video(2, 1) as video:
        video.write_image_and_timestamp(np.full((48, 64), 3, np.uint64), 3.0)
        with child(children.die_in_a_frame, video) as process:
            process.join(LONG_S)
            assert process.exitcode == 9
        assert (video.peak_image().image == 3).all()
        assert video.write_image_and_timestamp(np.full((48, 64), 4, np.uint64), 4.0) == 1
        assert (video.stack(1).images == 4).all()
        assert video.frames_dropped == 0


@pytest.mark.parametrize("count", [2, 6])
def test_rows_that_died_half_written_are_never_seen(count: int) -> None:
    with MatrixBuffer(fresh_name(), True, (6, 2)) as matrix:
        matrix.write(np.repeat(np.arange(8.0)[:, None], 2, axis=1))
        with child(children.die_in_rows, matrix, count) as process:
            process.join(LONG_S)
            assert process.exitcode == 9
        assert matrix.newest(6)[:, 0].tolist() == list(range(2 + count, 8))
        matrix.write([8.0, 8.0])
        assert matrix.newest(6)[:, 0].tolist() == list(range(2 + count, 9))
        matrix.write(np.repeat(np.arange(9.0, 14)[:, None], 2, axis=1))
        assert matrix.newest(6)[:, 0].tolist() == list(range(8, 14))


def test_a_change_of_the_beads_that_died_is_never_seen() -> None:
    with BeadRoiBuffer(fresh_name(), True) as beads:
        for bead in range(5):
            beads.add_beads({bead: (bead, 9, 0, 9)})
        with child(children.die_in_beads, beads) as process:
            process.join(LONG_S)
            assert process.exitcode == 9
        assert beads.get_beads()[0].tolist() == [0, 1, 2, 3, 4]
        beads.remove_beads([0])
        assert beads.get_beads()[1][:, 0].tolist() == [1, 2, 3, 4]


def test_the_bell_overlooks_nothing() -> None:
    """A reader that only looks when it was rung for finds the last row of all."""
    times = 20_000
    with Doorbell(fresh_name(), True) as bell, MatrixBuffer(fresh_name(), True, (4, 1)) as value:
        reader = bell.reader
        with child(children.ring_and_wait, bell, value, times):
            woken, last = 0, -1.0
            while last < times - 1:
                assert wait([reader], LONG_S), f"never rung again after {last}, though {value.written} were written"
                bell.answer()
                rows = value.read()
                last, woken = rows[-1, 0] if len(rows) else last, woken + 1
        assert 1 <= woken <= times + 1


def test_rings_without_an_answer_are_one() -> None:
    with Doorbell(fresh_name(), True) as bell:
        assert not wait([bell.reader], 0)
        for _ in range(200_000):  # more than any pipe holds
            bell.ring()
        assert wait([bell.reader], 0)
        bell.answer()
        assert not wait([bell.reader], 0)
        bell.answer()
        bell.ring()
        assert wait([bell.reader], 0)


def test_a_bell_rings_again_for_whoever_comes_after_a_killed_one() -> None:
    with Doorbell(fresh_name(), True) as bell:
        bell.ring()
        with Doorbell(bell.name, False, bell._pipe) as other:
            os.read(bell._ends[0].fileno(), 1)  # a reader takes the byte and is killed before it counts that
            assert not wait([other.reader], 0)  # its successor looks at everything now
            bell.ring()
            assert wait([other.reader], 0)
            other.answer()
            other._rung[0] += np.uint64(1)  # a writer counts and is killed before the byte
            other.ring()  # its successor
            assert wait([other.reader], 0)
            other._pipe = None  # bell closes it


@pytest.mark.skipif(os.name == "nt", reason="counts bytes of a POSIX pipe")
def test_at_most_two_bytes_are_in_the_pipe() -> None:
    with Doorbell(fresh_name(), True) as bell, Doorbell(bell.name, False, bell._pipe) as other:
        descriptor = bell._ends[0].fileno()
        for ring in (bell.ring, bell.ring, other.ring, bell.ring, other.ring):
            ring()  # two, because a new writer cannot know whether the one before it was killed within a ring
        assert len(os.read(descriptor, 1000)) == 2
        bell.answer()
        for _ in range(9):
            bell.ring()
            bell._acknowledge()  # a reader that has answered already when the byte arrives
            bell.answer()
            bell.ring()
            bell.ring()
        assert len(os.read(descriptor, 1000)) == 1
        other._pipe = None  # bell closes it


def test_ringing_at_nobody_is_no_error() -> None:
    with Doorbell(fresh_name(), True) as bell:
        bell._ends[0].close()
        for _ in range(3):
            bell.ring()
            bell._answered[0] = bell._rung[0]
    with Doorbell(fresh_name(), True) as bell, Doorbell(bell.name, False) as found:
        with pytest.raises(RuntimeError, match="its creator handed on"):
            found.ring()


def test_an_event_wakes_another_process() -> None:
    with ScopeEvent(fresh_name(), True) as event:
        assert not event.is_set()
        assert event.wait(0.02) is event.wait(0) is False
        with child(ScopeEvent.set, event):
            assert event.wait(LONG_S)
        event.clear()
        assert not event.is_set()


def test_values_hold_what_their_type_holds() -> None:
    with InterprocessValues(fresh_name(), True) as values, InterprocessValues(values.name, False) as seen:
        named = {name: value for name, value in vars(values).items() if isinstance(value, SharedValue)}
        assert len(named) == 16
        for name, value in named.items():
            assert value.value == (-1 if name == "live_profile_bead" else 0)
            value.value += 41
            assert getattr(seen, name).value == value.value
        assert type(seen.completed_stacks.value) is int
        assert type(seen.camera_last_frame_timestamp.value) is float
        for name, wrong in (("video_process_busy_count", 256), ("frames_tracked", -1), ("reserved_stacks", 2**32)):
            with pytest.raises(OverflowError):
                getattr(values, name).value = wrong


def test_closing_lets_go_and_never_fails() -> None:
    video = _video(2, 2)
    view = video.next_slot()
    video.close()
    video.close()
    view[:] = 5  # what was handed out stays
    with pytest.raises(ValueError, match="found closed; expected an open buffer"):
        video.peak_image()
    with pytest.raises(AttributeError):
        _ = BufferUnderflow("x").anything  # type: ignore[attr-defined]
    video.unlink()
    video.unlink()
    unlink_segment(video.name)
    with pytest.raises(SegmentMissing, match="no such segment"):
        VideoBuffer(video.name, False)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file for it")
def test_memory_that_cannot_be_had_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", full)  # a small /dev/shm, as containers have it
    name = fresh_name()
    with pytest.raises(MemoryError, match=r"No space left.*Ask for fewer or smaller stacks"):
        MatrixBuffer(name, True, (10, 2))
    with pytest.raises(SegmentMissing):
        MatrixBuffer(name, False)


def test_what_children_import_is_light() -> None:
    heavy = {"numba", "scipy", "h5py", "zarr", "tifffile", "psutil", "filelock", "pydantic", "asyncio", "prefect"}
    code = "import sys, opticstream.scope.datatypes; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "numpy" in found
    assert not heavy & set(found)


def _start(end: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(Path(children.__file__).parent.parent)}
    command = [sys.executable, "-W", "error", "-m", "support.memory_children", end]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def test_nothing_is_left_or_said_when_a_child_was_killed() -> None:
    with _start("orderly") as process:
        out, err = process.communicate(timeout=LONG_S)
    assert (process.returncode, err) == (0, "")
    names = out.splitlines()[0].split()
    assert len(names) == 3
    for name in names:
        with pytest.raises(SegmentMissing):
            MatrixBuffer(name, False)


def test_nothing_is_left_when_all_processes_were_killed() -> None:
    with _start("wait") as process:
        assert process.stdout is not None
        names = process.stdout.readline().split()
        orphan = psutil.Process(int(process.stdout.readline()))  # it is up, and on the list of what to clean up
        MatrixBuffer(names[1], False).close()
        process.kill()
        process.wait()
        orphan.kill()
        process.communicate(timeout=LONG_S)
    assert len(names) == 3
    if SHARED_MEMORY.is_dir():
        until(lambda: not {path.name for path in SHARED_MEMORY.iterdir()} & set(names), f"{names} are removed")
