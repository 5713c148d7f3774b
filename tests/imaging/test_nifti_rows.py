"""Volumes written by rows are the file that is written at once."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.imaging.nifti import write_nifti
from opticstream.imaging.nifti_rows import NiftiRowWriter

VOXEL = (0.01, 0.02, 0.003)


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 7)),
    rows=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_rows_in_any_order_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], rows: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(seed)
    volume = rng.standard_normal(shape).astype(np.float32)
    starts = list(range(0, shape[1], rows))
    rng.shuffle(starts)
    writer = NiftiRowWriter(folder / "rows.nii", shape, VOXEL, description="v")
    for start in starts:
        writer.write(start, volume[:, start : start + rows])
    writer.finish()
    write_nifti(folder / "whole.nii", volume, VOXEL, description="v")
    assert (folder / "rows.nii").read_bytes() == (folder / "whole.nii").read_bytes()


def test_threads_may_write_at_once(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).standard_normal((30, 40, 50)).astype(np.float32)
    writer = NiftiRowWriter(tmp_path / "rows.nii", volume.shape, VOXEL, description="v")

    def write(first: int) -> None:
        for row in range(first, 40, 4):
            writer.write(row, volume[:, row : row + 1])

    threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.finish()
    write_nifti(tmp_path / "whole.nii", volume, VOXEL, description="v")
    assert (tmp_path / "rows.nii").read_bytes() == (tmp_path / "whole.nii").read_bytes()


def test_a_writer_that_gave_up_writes_no_more(tmp_path: Path) -> None:
    writer = NiftiRowWriter(tmp_path / "rows.nii", (2, 2, 2), VOXEL, description="v")
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(0, np.zeros((2, 1, 2), np.float32))


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NiftiRowWriter(tmp_path / "none" / "rows.nii", (2, 2, 2), VOXEL, description="v")
