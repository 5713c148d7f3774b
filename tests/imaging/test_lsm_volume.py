"""Strips joined into a volume: what plain NumPy gives of the whole arrays, valid, and in bounded memory."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ome_zarr_models.v04.image import ImageAttrs as ImageAttrs04
from ome_zarr_models.v05.image import Image as Image05

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm import convert_strip, open_spool
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_simulator import simulate_lsm
from opticstream.imaging.lsm_stitch import stitch_mips
from opticstream.imaging.lsm_volume import VolumeRecord, stitch_volume
from opticstream.imaging.omezarr.array_reader import ArrayReader
from support.strip_mips import true_positions

SMALL = ZarrOptions(chunk=16)
VOXEL = (2.0, 1.0, 0.5)


def make_strip(path: Path, voxels: NDArray[Any], options: ZarrOptions = SMALL) -> Path:
    """Write an array as the full resolution of a strip's OME-Zarr, by another library."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    chunk = (options.chunk,) * 3
    shards = tuple(-(-length // options.chunk) * options.chunk for length in voxels.shape)
    array = group.create_array("0", shape=voxels.shape, chunks=chunk, shards=shards, dtype=voxels.dtype,
        compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"))  # fmt: skip
    array[:] = voxels
    return path


def plainly(strips: list[NDArray[Any]], positions: list[tuple[int, int]]) -> NDArray[Any]:
    """Join whole arrays that follow each other along y, in double precision."""
    height = max(y + strip.shape[1] for strip, (y, _) in zip(strips, positions, strict=True))
    width = max(x + strip.shape[2] for strip, (_, x) in zip(strips, positions, strict=True))
    sums, total = np.zeros((len(strips[0]), height, width)), np.zeros((1, height, width))
    for index, (strip, (y, x)) in enumerate(zip(strips, positions, strict=True)):
        rows = strip.shape[1]
        weights = np.ones(rows)
        if index:
            shared = max(0, min(rows, positions[index - 1][0] + strips[index - 1].shape[1] - y))
            weights[:shared] *= np.linspace(0, 1, shared + 2)[1:-1]
        if index + 1 < len(strips):
            shared = max(0, min(rows, y + rows - positions[index + 1][0]))
            weights[rows - shared :] *= np.linspace(1, 0, shared + 2)[1:-1]
        place = slice(None), slice(y, y + rows), slice(x, x + strip.shape[2])
        sums[place] += weights[:, None] * strip
        total[place] += weights[:, None]
    return np.divide(sums, total, out=sums, where=total > 0)


def halved(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return means over 2 x 2 x 2 voxels, at odd edges over what is there, halves to even."""
    padding = [(0, length % 2) for length in voxels.shape]
    whole = np.pad(voxels.astype(float), padding, constant_values=np.nan)
    z, y, x = (length // 2 for length in whole.shape)
    return np.rint(np.nanmean(whole.reshape(z, 2, y, 2, x, 2), axis=(1, 3, 5))).astype(voxels.dtype)


def joined(tmp_path: Path, strips: list[NDArray[Any]], positions: Any, **options: Any) -> tuple[VolumeRecord, Path]:
    paths = [make_strip(tmp_path / f"strip_{n}.ome.zarr", strip) for n, strip in enumerate(strips)]
    out = tmp_path / "volume.ome.zarr"
    given_options: dict[str, Any] = {"options": SMALL, "voxel_size_um": VOXEL, "name": "volume"} | options
    return stitch_volume(paths, out, positions, **given_options), out


def random_strips(*shapes: tuple[int, int, int], dtype: str = "uint16") -> list[NDArray[Any]]:
    rng = np.random.default_rng(3)
    return [rng.integers(1, np.iinfo(dtype).max, shape, dtype, endpoint=True) for shape in shapes]


def check_levels(out: Path, full: NDArray[Any]) -> int:
    group = zarr.open_group(out, mode="r")
    levels = 0
    while str(levels) in group:
        stored: Any = group[str(levels)]
        assert np.array_equal(stored[...], full), f"level {levels}"
        full, levels = halved(full), levels + 1
    return levels


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
def test_it_is_what_whole_arrays_give(tmp_path: Path, version: Any, dtype: str) -> None:
    strips = random_strips((21, 70, 90), (21, 70, 90), (21, 70, 75), dtype=dtype)
    positions = [(0, 3), (55, 0), (112, 5)]
    record, out = joined(tmp_path, strips, positions, options=ZarrOptions(chunk=16, ome_version=version))
    expected = plainly(strips, positions)
    assert record.shape == expected.shape == (21, 182, 93) and record.dtype == dtype
    full: NDArray[Any] = zarr.open_group(out, mode="r")["0"][...]  # type: ignore[index]
    assert np.abs(full - expected).max() <= 0.5 + 1e-2
    assert check_levels(out, full) == record.levels == 5
    stored = [path for path in out.rglob("*") if path.is_file()]
    assert len(stored) == record.files and sum(path.stat().st_size for path in stored) == record.bytes


def test_voxels_that_one_strip_covers_are_unchanged(tmp_path: Path) -> None:
    strips = random_strips((5, 40, 50), (5, 40, 50))
    _, out = joined(tmp_path, strips, [(0, 0), (31, 4)])
    full: NDArray[Any] = zarr.open_group(out, mode="r")["0"][...]  # type: ignore[index]
    assert np.array_equal(full[:, :31, :50], strips[0][:, :31]) and np.array_equal(full[:, 40:, 4:], strips[1][:, 9:])
    assert np.array_equal(full[:, 31:40, :4], strips[0][:, 31:, :4])
    assert (full[:, :31, 50:] == 0).all() and (full[:, 40:, :4] == 0).all()


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    depth=st.integers(1, 40),
    columns=st.lists(st.integers(1, 90), min_size=1, max_size=3),
    frames=st.integers(1, 100),
    data=st.data(),
)
def test_any_size_is_joined(tmp_path: Path, depth: int, columns: list[int], frames: int, data: Any) -> None:
    strips = random_strips(*((depth, rows, frames) for rows in columns))
    positions, y = [], 0
    for rows in columns:
        positions.append((y, data.draw(st.integers(0, 9))))
        y += data.draw(st.integers(1, rows))
    record, out = joined(
        tmp_path, strips, positions, options=ZarrOptions(chunk=16, pyramid_levels=data.draw(st.integers(0, 4)))
    )
    full: NDArray[Any] = zarr.open_group(out, mode="r")["0"][...]  # type: ignore[index]
    assert np.abs(full - plainly(strips, positions)).max() <= 0.5 + 1e-2
    assert check_levels(out, full) == record.levels


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_it_is_valid(tmp_path: Path, version: Any) -> None:
    options = ZarrOptions(chunk=16, ome_version=version)
    _, out = joined(tmp_path, random_strips((8, 60, 60), (8, 60, 60)), [(0, 0), (50, 0)], options=options)
    group = zarr.open_group(out, mode="r")
    if version == "0.5":
        multiscale = Image05.from_zarr(group).attributes.ome.multiscales[0]
    else:
        multiscale = ImageAttrs04.model_validate(group.attrs.asdict()).multiscales[0]
    assert [axis.name for axis in multiscale.axes] == ["z", "y", "x"]
    assert multiscale.datasets[1].coordinateTransformations[0].scale == [4.0, 2.0, 1.0]


def test_simulated_strips_become_the_sample(tmp_path: Path) -> None:
    """From raw files to the volume, at places that were measured in the projections."""
    spec = LSMSimulationSpec(strips=3, rows=20, columns=96, frames=120, overlap_percent=25, jitter=5, seed=8)
    options = ZarrOptions(chunk=32)
    zarrs, mips = [], []
    for folder in simulate_lsm(tmp_path / "raw", spec):
        zarrs.append(tmp_path / f"{folder.name}.ome.zarr")
        mips.append(tmp_path / f"{folder.name}.tiff")
        convert_strip(
            open_spool(folder), zarrs[-1], mip=mips[-1], options=options, voxel_size_um=VOXEL, name=folder.name
        )
    positions = stitch_mips(mips, tmp_path / "mip.tiff", overlap_percent=25).positions
    assert np.abs(np.array(positions) - true_positions(spec)).max() <= 1
    out = tmp_path / "volume.ome.zarr"
    record = stitch_volume(zarrs, out, positions, options=options, voxel_size_um=VOXEL, name="volume")
    strips = [np.asarray(zarr.open_group(path, mode="r")["0"][...]) for path in zarrs]  # type: ignore[index]
    full: NDArray[Any] = zarr.open_group(out, mode="r")["0"][...]  # type: ignore[index]
    assert full.shape == record.shape
    assert np.abs(full - plainly(strips, list(positions))).max() <= 0.5 + 1e-2
    reader = ArrayReader(out / "0")
    assert np.array_equal(reader.read((0, 1, 2))[:20], full[:, 32:64, 64:96])


def test_progress_reaches_the_end_and_work_can_be_stopped(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    strips = random_strips((20, 80, 80))
    joined(tmp_path, strips, [(0, 0)], progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and len(seen) == 8 and seen[-1] == (strips[0].nbytes, strips[0].nbytes)
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        joined(tmp_path, strips, [(0, 0)], check=check)
    assert not (tmp_path / "volume.ome.zarr").exists()


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "volume.ome.zarr"
    (out / "9").mkdir(parents=True)
    (out / "9" / "old").write_text("")
    joined(tmp_path, random_strips((3, 4, 5)), [(0, 0)])
    assert not (out / "9").exists()


def test_what_cannot_be_joined_is_named(tmp_path: Path) -> None:
    strips = random_strips((8, 20, 20), (8, 20, 20))
    with pytest.raises(BadInput, match="strips: found none"):
        joined(tmp_path, [], [])
    for places in ([(0, 0)], [(0, 0), (-1, 0)]):
        with pytest.raises(BadInput, match=r"positions: found .*expected 2 pairs of \(y, x\), none below 0"):
            joined(tmp_path, strips, places)
    with pytest.raises(BadFile, match=r"strip_1.ome.zarr: found uint8, .*expected uint16, 8 rows, as in strip_0"):
        joined(tmp_path, [strips[0], strips[1].astype(np.uint8)], [(0, 0), (10, 0)])
    with pytest.raises(BadFile, match=r"strip_1.ome.zarr: found uint16, shape \(7, 20, 20\)"):
        joined(tmp_path, [strips[0], strips[1][:7]], [(0, 0), (10, 0)])
    path = make_strip(tmp_path / "whole.ome.zarr", strips[0])
    call = {"options": SMALL, "voxel_size_um": VOXEL, "name": "x"}
    shard = path / "0" / "c" / "0" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(BadFile, match="whole shard"):
        stitch_volume([path], tmp_path / "out", [(0, 0)], **call)  # type: ignore[arg-type]
    with pytest.raises(BadFile, match=r"gone.ome.zarr.*No such file"):
        stitch_volume([tmp_path / "gone.ome.zarr"], tmp_path / "out", [(0, 0)], **call)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    path = make_strip(tmp_path / "whole.ome.zarr", random_strips((8, 20, 20))[0])
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteFailed, match=r"out: found "):
        stitch_volume([path], tmp_path / "file" / "out", [(0, 0)], options=SMALL, voxel_size_um=VOXEL, name="x")


_MEMORY = """
import sys, threading
from pathlib import Path
from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging import lsm_volume

def anonymous():
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024

lsm_volume._CACHE_BYTES = 8 << 20
before = most = 0.0
def check():
    global most
    most = max(most, anonymous())
folder = Path(sys.argv[1])
def stitch(number):
    places = [(300 * n, 0) for n in range(number)]
    lsm_volume.stitch_volume([folder / "strip.ome.zarr"] * number, folder / "out", places,
        options=ZarrOptions(chunk=64), voxel_size_um=(1, 1, 1), name="x", workers=2, check=check)
stitch(1)  # loads libraries and compiles
before, most = anonymous(), 0.0
stitch(int(sys.argv[2]))
print(most - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_volume(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    make_strip(tmp_path / "strip.ome.zarr", rng.integers(90, 300, (64, 340, 600), np.uint16), ZarrOptions(chunk=64))
    used = []
    for number in (1, 5):  # 26 and 118 MB
        command = [sys.executable, "-c", _MEMORY, str(tmp_path), str(number)]
        used.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert used[1] < 60 and used[1] < used[0] + 15


def test_the_options_of_the_strips_do_not_matter(tmp_path: Path) -> None:
    """Thin chunks along the frames, as tall frames give, and other versions are read all the same."""
    spec = LSMSimulationSpec(strips=1, rows=40, columns=50, frames=60, seed=2)
    (folder,) = simulate_lsm(tmp_path / "raw", spec)
    results = []
    for number, (version, slab) in enumerate([("0.5", 1 << 26), ("0.4", 1 << 26), ("0.5", 1)]):
        path, out = tmp_path / f"{number}.ome.zarr", tmp_path / f"out_{number}"
        convert_strip(open_spool(folder), path, mip=None, options=ZarrOptions(chunk=16, ome_version=version),
            voxel_size_um=VOXEL, name="x", slab_bytes=slab)  # fmt: skip
        stitch_volume([path, path], out, [(0, 0), (40, 7)], options=SMALL, voxel_size_um=VOXEL, name="x")
        results.append(zarr.open_group(out, mode="r")["0"][...])  # type: ignore[index]
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
    assert dataclasses.asdict(spec)["rows"] == len(results[0])
