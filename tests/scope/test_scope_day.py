"""A day of a scope by a clock of its own: buffers, hourly files, the ledger; nothing grows."""

import gc
import secrets
from pathlib import Path

import numpy as np
import psutil
import pytest

from opticstream.scope.files import RecordingInfo, TrackingFileWriter, read_tracking_file
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome
from opticstream.scope.memory import segment_name
from opticstream.scope.memory.matrix_buffer import MatrixBuffer
from opticstream.scope.memory.video_buffer import VideoBuffer
from opticstream.scope.track_batch import TrackBatch

HOURS, FRAMES, PERIOD_NS = 24, 100, 1_000_000_000
START_NS = 1_750_000_000_000_000_000
PER_HOUR = 3600 * 1_000_000_000 // PERIOD_NS
STACKS = HOURS * PER_HOUR // FRAMES
LOST_EVERY = 60
"""Of so many stacks one frame finds no room."""
SETTLING_H = 4
MOST_GROWTH = 4 << 20
_ROIS = np.array([[0, 50, 0, 50], [50, 100, 0, 50]], np.uint32)


def _batch(sequence: int, numbers, times_ns) -> TrackBatch:
    xyz = np.broadcast_to(numbers[:, None, None] + np.arange(3.0), (len(numbers), 2, 3))
    return TrackBatch(
        sequence=sequence,
        frame_numbers=numbers.astype(np.uint64),
        timestamps_ns=times_ns,
        bead_ids=np.array([0, 1], np.uint32),
        rois=_ROIS,
        positions_nm=xyz.astype(np.float64),
        flags=np.zeros((len(numbers), 2), np.uint16),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_day_leaves_24_whole_files_and_the_memory_as_it_was(tmp_path: Path) -> None:
    info = RecordingInfo(scope_name="day", camera_class="none", width_px=16, height_px=8, bits=8, nm_per_px=200.0)
    writer = TrackingFileWriter(tmp_path, info, start_ns=START_NS, rotation_minutes=60.0, durable_every_s=1e9)
    uid = secrets.token_hex(4)
    video = VideoBuffer(segment_name(uid, "video"), True, n_stacks=3, n_images=FRAMES, width=16, height=8, bits=8)
    tracks = MatrixBuffer(segment_name(uid, "tracks"), True, (50_000, 7))
    ledger, image = FrameLedger(), np.zeros((16, 8), np.uint8)
    process, memory, read = psutil.Process(), [], 0
    try:
        for stack in range(STACKS):
            if stack % LOST_EVERY == LOST_EVERY - 1:
                video.drop()
            for frame in range(stack * FRAMES, (stack + 1) * FRAMES):
                video.write_image_and_timestamp(image, START_NS / 1e9 + frame * PERIOD_NS / 1e9)
            seen = video.peak_stack()
            times_ns = START_NS + np.arange(stack * FRAMES, (stack + 1) * FRAMES, dtype=np.int64) * PERIOD_NS
            batch = _batch(stack, np.array(seen.numbers), times_ns)
            video.release()
            rows = np.empty((FRAMES, 2, 7))
            rows[..., 0], rows[..., 1:4] = (times_ns / 1e9)[:, None], batch.positions_nm
            rows[..., 4], rows[..., 5:] = batch.bead_ids, _ROIS[:, [0, 2]]
            tracks.write(rows.reshape(-1, 7))
            read += len(tracks.read())
            ledger.tracked(batch.frame_numbers)
            ledger.settle(int(batch.frame_numbers[-1]))
            writer.append(batch)
            if stack % 9 == 8:  # each simulated 15 minutes
                writer.set_ledger(ledger)
            if stack % (STACKS // HOURS) == STACKS // HOURS - 1:
                gc.collect()
                memory.append(process.memory_info().rss)
        writer.close("the day is over")
        assert video.frames_written == STACKS * FRAMES and video.frames_dropped == STACKS // LOST_EVERY
        assert read == tracks.written == STACKS * FRAMES * 2 and tracks.missed == 0
    finally:
        for buffer in (video, tracks):
            buffer.close()
            buffer.unlink()

    assert max(memory[SETTLING_H:]) - memory[SETTLING_H] < MOST_GROWTH, [size >> 20 for size in memory]
    ledger.check()
    counts = ledger.counts()
    assert counts[FrameOutcome.TRACKED] == STACKS * FRAMES
    assert counts[FrameOutcome.DROPPED] == STACKS // LOST_EVERY
    files = sorted(tmp_path.glob("*.h5"), key=lambda path: read_tracking_file(path).frame_timestamps_ns[0])
    assert len(files) == HOURS
    numbers = []
    for hour, path in enumerate(files):
        found = read_tracking_file(path)
        assert found.closed
        assert found.frame_timestamps_ns[0] == START_NS + hour * 3600 * 1_000_000_000
        assert len(found.frame_timestamps_ns) == PER_HOUR and found.positions_nm.shape == (2 * PER_HOUR, 3)
        numbers.append(found.frame_numbers)
    day = np.concatenate(numbers)
    assert (np.diff(day) >= 1).all() and day[-1] == STACKS * FRAMES + STACKS // LOST_EVERY - 1
    # The last file says of every frame of the day what became of it, but for the minutes after the last report.
    said = read_tracking_file(files[-1]).ledger
    assert sum(len(one) for one in said) == int(day[-1]) + 1
