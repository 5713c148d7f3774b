"""Ground truth can be read at every moment, and is never half a row."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, WriteFailed
from opticstream.scope.cameras.ground_truth import GroundTruth
from opticstream.scope.cameras.truth_file import TruthFile, read_truth


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.one_of(st.integers(0, 300), st.sampled_from(["flush", "again"])), max_size=30))
def test_what_was_flushed_is_there_in_order(steps: list[int | str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "truth.npy"
        truth, file, number = GroundTruth(frames=1000), TruthFile(path), 0
        for step in steps:
            if isinstance(step, int):
                file.add(truth.add(number, number / 8, np.arange(step * 3.0).reshape(-1, 3)))
                number += 1
                continue
            if step == "flush":
                file.flush()
            else:
                file.close()
                file = TruthFile(path)
            assert np.array_equal(np.load(path), truth.rows())
        file.close()
        assert np.array_equal(read_truth(path), truth.rows())


def test_a_kill_leaves_what_was_flushed_and_it_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "truth.npy"
    code = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from opticstream.scope.cameras import GroundTruth, TruthFile\n"
        "file, truth = TruthFile(Path(sys.argv[1])), GroundTruth()\n"
        "for number in range(1000):\n"
        "    file.add(truth.add(number, 0.0, np.ones((10, 3))))\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    rows = read_truth(path)
    assert len(rows) == 2 * 4100
    with path.open("ab") as file:
        file.write(b"half a row")
    assert np.array_equal(read_truth(path), rows)
    again = TruthFile(path)
    again.add(rows[:7])
    again.close()
    assert np.array_equal(read_truth(path), np.concatenate([rows, rows[:7]]))


def test_rows_are_in_the_file_after_a_second_of_their_time(tmp_path: Path) -> None:
    file, truth = TruthFile(tmp_path / "truth.npy"), GroundTruth()
    for number in range(25):
        file.add(truth.add(number, number / 10, np.zeros((2, 3))))
    assert set(read_truth(tmp_path / "truth.npy")["frame"].tolist()) == set(range(22))
    file.close()


def test_only_the_last_frames_are_kept_in_memory() -> None:
    truth = GroundTruth(frames=3)
    assert len(truth.rows()) == 0
    for number in range(5):
        truth.add(number, 0.0, np.zeros((2, 3)))
    assert truth.rows()["frame"].tolist() == [2, 2, 3, 3, 4, 4]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"ends in \.npy"):
        TruthFile(tmp_path / "truth.h5")
    with pytest.raises(BadFile, match=r"absent\.npy"):
        read_truth(tmp_path / "absent.npy")
    for content in (b"", b"nothing of the kind"):
        (tmp_path / "other.npy").write_bytes(content)
        with pytest.raises(BadFile, match="ground truth"):
            TruthFile(tmp_path / "other.npy")
        assert (tmp_path / "other.npy").read_bytes() == content
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteFailed, match=r"t\.npy"):
        TruthFile(tmp_path / "file" / "t.npy")


@pytest.mark.skipif(os.name == "nt", reason="a process's limit on the size of files is POSIX's")
def test_a_disk_that_refuses_ends_the_truth_but_not_the_camera(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import resource

    path, truth = tmp_path / "truth.npy", GroundTruth()
    file = TruthFile(path)
    file.add(truth.add(0, 0.0, np.ones((10, 3))))
    file.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        with caplog.at_level(logging.ERROR):
            file.add(truth.add(1, 0.0, np.ones((10, 3))))
            file.flush()
            file.add(truth.add(2, 0.0, np.ones((10, 3))))
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [record.message.split(":")[0] for record in caplog.records] == ["ground truth ends here"]
    assert str(path) in caplog.text
    assert np.array_equal(read_truth(path), truth.rows()[:10])
