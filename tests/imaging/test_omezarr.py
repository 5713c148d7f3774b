"""Volumes from memory, as those that join strips come."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.omezarr import PyramidWriter, TreeWriter, VolumeSlab, group_files, plan_levels, slab_width


@pytest.mark.parametrize("shape", [(20, 37, 50), (3, 16, 16), (1, 1, 5)])
def test_a_volume_comes_back(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    options = ZarrOptions(chunk=16)
    volume = np.random.default_rng(2).integers(0, 1000, shape, dtype=np.uint16)
    levels = plan_levels(shape, slab_width(shape[0] * shape[1] * 2, options), options)
    tree = TreeWriter(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        writer = PyramidWriter(tree, levels, "uint16", options, pool, 2)
        for start in range(0, shape[2], levels[0].chunk[2]):
            writer.write(VolumeSlab(volume[:, :, start : start + levels[0].chunk[2]]))
        writer.close()
    for path, data in group_files("0.5", "volume", levels, (1, 1, 1)):
        tree.write(path, data)
    group = zarr.open_group(tmp_path, mode="r")
    assert np.array_equal(group["0"], volume)  # type: ignore[arg-type]
    assert len(levels) == len(list(group.members()))
    if len(levels) > 1:
        whole = volume[:2, :2, :2].mean()
        assert np.asarray(group["1"])[0, 0, 0] == np.rint(whole)


def test_frames_of_a_slab_divide_a_chunk() -> None:
    options = ZarrOptions(chunk=128)
    assert [slab_width(size, options, 64 << 20) for size in (1, 1 << 19, 1 << 20, 3 << 20, 1 << 30)] == [
        128,
        128,
        64,
        16,
        2,
    ]
    assert slab_width(10, ZarrOptions(chunk=18), 100) == 6
