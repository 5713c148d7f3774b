"""What the process that writes files answers."""

import os
from pathlib import Path

import numpy as np
import pytest

from opticstream.scope.files import RecordingInfo, read_tracking_file
from opticstream.scope.files.tracking_writer import tracking_file_stem
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange
from opticstream.scope.processing.writer_main import _Files
from opticstream.scope.processing.writer_messages import (
    NOT_STORED,
    HardwareRefused,
    StartRecording,
    StopRecording,
    Stored,
    StoreHardware,
    StoreLedger,
    StoreStack,
    Trouble,
)
from support.track_batches import START_NS, make_batch

_ROWS = np.arange(8.0).reshape(4, 2)


def test_frames_that_were_refused_are_not_stored_whatever_the_ledger_says(tmp_path: Path) -> None:
    files = _Files(None)
    info = RecordingInfo(hardware={"Motor": ("time", "z")})
    files.take(StartRecording(tmp_path, info, START_NS, None, profiles=True))
    assert files.take(StoreHardware("Motor", _ROWS, 2)) == [HardwareRefused("Motor", 6)], "there is no file yet"
    (stored,) = files.take(StoreStack(make_batch(1, first=0), 0))
    assert isinstance(stored, Stored) and stored.path is not None and not stored.error
    assert files.take(StoreHardware("Motor", _ROWS, 6)) == []
    refused, trouble = files.take(StoreHardware("Motor", _ROWS[:, :1], 0))
    assert refused == HardwareRefused("Motor", 4) and isinstance(trouble, Trouble) and "Motor" in trouble.text
    again = make_batch(1, first=4)  # of a number that was there: it cannot be stored
    (answer,) = files.take(StoreStack(again, 1))
    assert isinstance(answer, Stored) and "in order" in answer.error
    ledger = FrameLedger()
    ledger.tracked(np.arange(8))
    assert files.take(StoreLedger(ledger)) == []
    files.take(StopRecording("the test is over"))
    found = read_tracking_file(stored.path)
    assert found.ledger == (
        FrameRange(0, 3, FrameOutcome.TRACKED),
        FrameRange(4, 7, FrameOutcome.NOT_STORED, NOT_STORED),
    )
    assert np.array_equal(found.hardware["Motor"], _ROWS)
    assert files.take(StoreHardware("Motor", _ROWS, 0)) == [HardwareRefused("Motor", 4)]


@pytest.mark.skipif(os.name == "nt", reason="a link that leads nowhere")
def test_profiles_that_cannot_be_written_leave_the_tracks(tmp_path: Path) -> None:
    name = tracking_file_stem(START_NS).replace("Tracking Data", "Bead Profiles")
    (tmp_path / f"{name}.txt").symlink_to(tmp_path / "nowhere")
    files = _Files(None)
    files.take(StartRecording(tmp_path, RecordingInfo(), START_NS, None, profiles=True))
    stored, trouble = files.take(StoreStack(make_batch(1), 0, {0: np.ones((4, 3))}))
    assert isinstance(stored, Stored) and stored.path is not None and not stored.error
    assert isinstance(trouble, Trouble) and "Bead Profiles" in trouble.text
    files.close("the test is over")
    assert len(read_tracking_file(stored.path).frame_timestamps_ns) == 4
