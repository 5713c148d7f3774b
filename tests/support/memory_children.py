"""What child processes do to shared memory in tests: they are spawned, so they find it here by name."""

import multiprocessing
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.memory import (
    BeadRoiBuffer,
    BufferUnderflow,
    Doorbell,
    MatrixBuffer,
    SweepState,
    VideoBuffer,
    WriterLock,
    ZLUTSweepDataset,
    segment_name,
    unlink_segment,
)

LONG_S = 200.0
"""What a busy machine may need for an interpreter's start and thousands of turns; nobody waits so long in vain."""
_DIFFERENT = 500
_FACTOR = 0x9E3779B97F4A7C15
_SPAWN = multiprocessing.get_context("spawn")


def fresh_name(buffer: str = "test") -> str:
    """Return a segment name that nobody else uses."""
    return segment_name(uuid.uuid4().hex[:12], buffer)


def spawn_pipe() -> tuple[Connection, Connection]:
    """Return both ends of a pipe, to keep one and give the other to a child."""
    return _SPAWN.Pipe()


@contextmanager
def child(target: Callable[..., object], *args: Any) -> Iterator[SpawnProcess]:
    """Run ``target`` in a spawned process that does not outlive the body."""
    process = _SPAWN.Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def asked(target: Callable[..., object], *args: Any) -> Any:
    """Return what ``target(connection, *args)`` sends from a spawned process that then ends by itself."""
    ours, theirs = spawn_pipe()
    with ours, theirs, child(target, theirs, *args) as process:
        answer = ours.recv() if ours.poll(LONG_S) else None
        process.join(LONG_S)
        assert process.exitcode == 0
        return answer


def frame(number: int) -> NDArray[np.uint64]:
    """Return pixels that tell which frame they are of, all of them."""
    return np.full((48, 64), number * _FACTOR % 2**64, np.uint64)


def write_frames(buffer: VideoBuffer) -> None:
    """Be camera and video processor at full speed."""
    while True:
        number = buffer.next_number
        buffer.write_image_and_timestamp(frame(number), float(number))
        if buffer.check_read_stack():
            buffer.release()


def check_frames(connection: Connection, buffer: VideoBuffer, reads: int) -> None:
    """Send how many of the frames read were torn, and how many reads there were.

    On a busy machine the writer may stand still for long, which shows nothing: ``reads`` at least, and until different
    frames were met often enough.
    """
    torn, done, seen = 0, 0, set()
    while buffer.frames_written == 0:
        time.sleep(0.001)
    while done < reads or len(seen) < _DIFFERENT:
        done += 1
        image, timestamp, number = buffer.peak_image()
        torn += not ((image == number * _FACTOR % 2**64).all() and timestamp == number)
        seen.add(number)
    connection.send((torn, done))


def write_rows(buffer: MatrixBuffer) -> None:
    """Write rows of one number each, at full speed, 1 to 7 at a time."""
    at = buffer.written
    while True:
        count = 1 + at % 7
        buffer.write(np.repeat(np.arange(at, at + count, dtype=np.float64)[:, None], buffer.shape[1], axis=1))
        at += count


def check_rows(connection: Connection, buffer: MatrixBuffer, reads: int) -> None:
    """Send how many of the reads were torn or out of order, the rows read, and those missed or read."""
    torn = rows_read = 0
    while buffer.written == 0:
        time.sleep(0.001)
    start = buffer.position
    turn = 0
    while turn < reads or rows_read < _DIFFERENT:
        turn += 1
        rows = buffer.newest(5) if turn % 2 else buffer.read()
        if len(rows):
            torn += not (rows == rows[:, :1]).all() or not (np.diff(rows[:, 0]) == 1).all()
        rows_read += 0 if turn % 2 else len(rows)
        if turn % 2 == 0 and len(rows):
            torn += rows[-1, 0] != buffer.position - 1
    connection.send((torn, rows_read, buffer.position - start - buffer.missed))


def write_beads(buffer: BeadRoiBuffer) -> None:
    """Change all beads again and again; their number and places tell the version."""
    while True:
        version = buffer.version
        buffer.replace_beads(dict.fromkeys(range(version % 50), (version, version + 1, version, version + 1)))


def check_beads(connection: Connection, buffer: BeadRoiBuffer, reads: int) -> None:
    """Send how many of the reads mixed two versions."""
    torn = 0
    while buffer.version < 2:
        time.sleep(0.001)
    for _ in range(reads):
        ids, rois = buffer.get_beads()
        version = int(rois[0, 0]) if len(ids) else 0
        torn += len(ids) != version % 50 or not (rois == [version, version + 1, version, version + 1]).all()
    connection.send(torn)


def die_in_a_frame(buffer: VideoBuffer) -> None:
    """End as if killed, with half a frame written."""
    buffer.next_slot()[:32] = 1
    os._exit(9)


def die_in_rows(buffer: MatrixBuffer, count: int) -> None:
    """End as if killed, in the middle of writing ``count`` rows."""
    written = buffer._ring.written
    buffer._ring.begin(written + count)
    for row in range(written, written + count // 2):
        buffer._rows[row % buffer.shape[0]] = -1
    os._exit(9)


def die_in_beads(buffer: BeadRoiBuffer) -> None:
    """End as if killed, in the middle of a change."""
    version = buffer.version
    buffer._ring.begin(version + 1)
    buffer._ids[version % 4] = 7
    os._exit(9)


def die_holding(connection: Connection, lock: WriterLock) -> None:
    """Take the lock, say so, and end as if killed."""
    lock.acquire()
    connection.send("held")
    os._exit(0)


def hold(connection: Connection, lock: WriterLock) -> None:
    """Take the lock and keep it."""
    lock.acquire()
    connection.send("held")
    time.sleep(600)


def ring_and_wait(bell: Doorbell, value: MatrixBuffer, times: int) -> None:
    """Write one row and ring, again and again, at a pace that meets the reader in every moment."""
    for number in range(times):
        value.write([float(number)])
        bell.ring()
        time.sleep((number % 7) * 1e-5)


def append_row(dataset: ZLUTSweepDataset, bead: int) -> None:
    """Append one profile."""
    dataset.append(bead, 0, 1.0, 2.0, 1, np.full(dataset.profile_length, float(bead)))


def tell(connection: Connection, *buffers: Any) -> None:
    """Send what a child finds in what it was given."""
    video, matrix, beads, values, event = buffers
    with video, matrix, beads, values, event:
        stack = video.peak_stack()
        found = (
            stack.images[0, 0].tolist(), stack.numbers.tolist(), matrix.read().tolist(), beads.get_beads()[0].tolist(),
            values.frames_tracked.value, event.is_set(), [buffer.created for buffer in buffers],
        )  # fmt: skip
        values.frames_dropped.value = 5
        connection.send(found)


def wait_for_frame(buffer: VideoBuffer, count: int) -> None:
    """Wait until that many frames were written."""
    deadline = time.monotonic() + LONG_S
    while buffer.frames_written < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    try:
        buffer.peak_image()
    except BufferUnderflow:
        raise AssertionError("frames were written, but none can be had") from None


def sleep_attached(*buffers: Any) -> None:
    """Be attached for long; prints its pid."""
    print(os.getpid(), flush=True)
    time.sleep(600)


def die_in_a_sweep(name: str) -> None:
    """Make a dataset, and end as if killed."""
    ZLUTSweepDataset(name, True, capacity=3, profile_length=2)
    os._exit(9)


def _main(end: str) -> None:
    """Make buffers, have a child attached, kill it; then end orderly, or wait to be killed.

    Prints the names of the segments first.
    """
    video = VideoBuffer(fresh_name(), True, n_stacks=2, n_images=2, width=8, height=8, bits=8)
    matrix = MatrixBuffer(fresh_name(), True, (10, 2))
    bell = Doorbell(fresh_name(), True)
    print(video.name, matrix.name, bell.name, flush=True)
    process = _SPAWN.Process(target=sleep_attached, args=(video, matrix, bell), daemon=True)
    process.start()
    if end == "wait":
        time.sleep(600)
    view = video.next_slot()
    time.sleep(1)
    process.kill()
    process.join()
    sweep = fresh_name()
    with child(die_in_a_sweep, sweep) as creator:
        creator.join()
    ZLUTSweepDataset(sweep, False).close()  # still there
    unlink_segment(sweep)
    assert ZLUTSweepDataset.state_of(sweep) is SweepState.ABSENT
    for buffer in (video, matrix, bell):
        buffer.close()
        buffer.unlink()
    view[:] = 1  # what was handed out outlives the buffer


if __name__ == "__main__":
    import sys

    _main(sys.argv[1])
