"""The simulated light sheet: authentic spool strips, overlaps that agree, and a truth that says what was seen."""

import configparser
import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Blosc
from numpy.typing import NDArray
from scipy.io import loadmat

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.imaging.lsm import open_spool
from opticstream.imaging.lsm.spool import spool_name
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_simulator import simulate_lsm, simulate_strips
from opticstream.imaging.lsm_truth import LSMTruth, sample_volume, strip_volume

SMALL = LSMSimulationSpec(strips=2, rows=21, columns=60, frames=20, frames_per_file=8, overlap_percent=30, seed=5)


def raw_frames(folder: Path) -> NDArray[np.uint8]:
    """Read a strip knowing only the format: (frames, padded rows, stride bytes)."""
    text = (folder / "acquisitionmetadata.ini").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf[data]\r\n") and text.count(b"\n") == text.count(b"\r\n")
    ini = configparser.ConfigParser()
    ini.read_string(text.decode("utf-8-sig"))
    height, stride = int(ini["data"]["AOIHeight"]), int(ini["data"]["AOIStride"])
    padded = height + (1 if height % 2 else 2)
    assert int(ini["data"]["ImageSizeBytes"]) == padded * stride
    assert (folder / "Spooled files.sifx").stat().st_size > 0
    count = len(list(folder.glob("*0spool.dat")) + list(folder.glob("*[1-9]spool.dat")))
    content = b"".join((folder / (f"{n:010d}"[::-1] + "spool.dat")).read_bytes() for n in range(count))
    return np.frombuffer(content, np.uint8).reshape(-1, padded, stride)


def pixels(folder: Path, spec: LSMSimulationSpec) -> NDArray[Any]:
    """Return the images of a strip as (rows, columns, frames)."""
    raw = raw_frames(folder)[:, : spec.rows, : spec.columns * spec.form.dtype.itemsize]
    return np.ascontiguousarray(raw).view(spec.form.dtype).transpose(1, 2, 0)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_names_follow_slice_channel_and_strip(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, slices=2, channels=2, first_slice=3, frames=4)
    names = [path.name for path in simulate_lsm(tmp_path, spec)]
    assert names == ["Run3", "Run3_C2", "Run3_1", "Run3_C2_1", "Run4", "Run4_C2", "Run4_1", "Run4_C2_1"]
    truth = LSMTruth.read(tmp_path / "ground_truth.json")
    assert [strip.folder for strip in truth.strips] == names
    assert [(strip.slice, strip.channel, strip.strip) for strip in truth.strips[:4]] == [
        (3, 1, 1),
        (3, 2, 1),
        (3, 1, 2),
        (3, 2, 2),
    ]


@pytest.mark.parametrize(("index", "name"), [(0, "0000000000"), (1, "1000000000"), (12, "2100000000")])
def test_spool_names_are_numbers_read_backwards(index: int, name: str) -> None:
    assert spool_name(index) == f"{name}spool.dat"


@pytest.mark.parametrize(("rows", "padded"), [(21, 22), (22, 24)])
def test_padding_rows_hold_bytes_that_are_no_tissue(tmp_path: Path, rows: int, padded: int) -> None:
    spec = dataclasses.replace(SMALL, rows=rows, strips=1, stride_padding=6)
    (folder,) = simulate_lsm(tmp_path, spec)
    raw = raw_frames(folder)
    assert raw.shape == (20, padded, 126)
    below = np.ascontiguousarray(raw[:, rows:]).view("<u2")
    # Wherever a reader forgets to crop, the largest value of a column is not tissue.
    assert below.max(axis=(0, 1))[12:].min() > 60_000 > pixels(folder, spec).max()
    assert (below.reshape(20, -1).max(axis=1) > 60_000).all() and len(np.unique(below)) > 10
    assert np.ascontiguousarray(raw[:, :rows, 120:]).view("<u2").min() > 60_000


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rows": 22, "stride_padding": 10},
        {"pixel_encoding": "Mono8", "stride_padding": 3},
        {"frames": 7},
        {"background_frames": 13, "info_file": "project"},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_the_reader_takes_it_as_it_is_meant(tmp_path: Path, options: dict[str, Any]) -> None:
    spec = dataclasses.replace(SMALL, strips=1, **options)
    (folder,) = simulate_lsm(tmp_path, spec)
    strip = open_spool(folder, tmp_path / "info.mat" if spec.background_frames else None)
    assert strip.shape == (spec.rows, spec.columns, spec.frames)
    assert (strip.background_frames, strip.dtype) == (spec.background_frames, spec.form.dtype.name)
    assert strip.nbytes == spec.form.nbytes * spec.recorded_frames


def test_the_last_file_holds_what_is_left(tmp_path: Path) -> None:
    (folder,) = simulate_lsm(tmp_path, dataclasses.replace(SMALL, strips=1))
    frame = 22 * 60 * 2
    assert [(folder / spool_name(n)).stat().st_size for n in range(3)] == [8 * frame, 8 * frame, 4 * frame]
    assert len(list(folder.iterdir())) == 5


def test_a_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, jitter=4, channels=2, info_file="none")
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate_lsm(tmp_path / name, dataclasses.replace(spec, seed=seed))
    first, again, other = (content(tmp_path / name) for name in "abc")
    assert first == again
    assert all(first[name] != other[name] for name in first if name.endswith("spool.dat"))


def test_how_frames_are_cut_into_files_does_not_matter(tmp_path: Path) -> None:
    one, many = (dataclasses.replace(SMALL, strips=1, frames_per_file=number) for number in (20, 3))
    (a,), (b,) = simulate_lsm(tmp_path / "a", one), simulate_lsm(tmp_path / "b", many)
    assert np.array_equal(raw_frames(a), raw_frames(b))


def test_the_truth_is_what_the_camera_saw_but_for_noise(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, jitter=5, slices=2, channels=2, rows=40, frames=60)
    simulate_lsm(tmp_path, spec)
    truth = LSMTruth.read(tmp_path / "ground_truth.json")
    assert truth == LSMTruth.of(spec)
    for strip in truth.strips:
        seen, known = pixels(tmp_path / strip.folder, spec).astype(float), strip_volume(truth, strip)
        assert seen.shape == known.shape == (40, 60, 60)
        electrons = (known - truth.camera.offset) / truth.camera.gain
        noise = (seen - known) / (truth.camera.gain * np.sqrt(electrons + truth.camera.read_noise**2))
        assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.02
        beside = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
        assert abs(beside) < 0.02


def test_neighbours_show_the_same_tissue_with_noise_of_their_own(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, columns=80, frames=64, rows=30, jitter=3)
    left, right = simulate_lsm(tmp_path, spec)
    truth = LSMTruth.read(tmp_path / "ground_truth.json")
    a, b = truth.strips
    shift_y, shift_x = b.y - a.y, b.x - a.x
    assert 50 < shift_y < 65 and abs(shift_x) <= 3
    frames = slice(max(shift_x, 0), 64 + min(shift_x, 0)), slice(max(-shift_x, 0), 64 + min(-shift_x, 0))
    one = pixels(left, spec)[:, shift_y:, frames[0]].astype(float)
    two = pixels(right, spec)[:, : 80 - shift_y, frames[1]].astype(float)
    known = strip_volume(truth, a)[:, shift_y:, frames[0]]
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.5
    assert abs(np.corrcoef((one - known).ravel(), (two - known).ravel())[0, 1]) < 0.03


def test_no_two_strips_share_their_noise(tmp_path: Path) -> None:
    """Not even at the same place of the camera, in the same frame; and frames differ in it too."""
    spec = dataclasses.replace(SMALL, slices=2, channels=2)
    simulate_lsm(tmp_path, spec)
    truth = LSMTruth.read(tmp_path / "ground_truth.json")
    noise = [pixels(tmp_path / strip.folder, spec) - strip_volume(truth, strip) for strip in truth.strips]
    noise.append(np.roll(noise[0], 1, axis=2))
    correlations = np.corrcoef([values.ravel() for values in noise])
    assert len(noise) == 9 and np.abs(correlations - np.eye(9)).max() < 0.04


bounds = st.tuples(st.integers(-60, 90), st.integers(1, 40)).map(lambda pair: (pair[0], sum(pair)))


@given(bounds, bounds, bounds)
def test_any_window_of_the_sample_is_the_same(z: tuple[int, int], y: tuple[int, int], x: tuple[int, int]) -> None:
    truth = LSMTruth.of(SMALL)
    wide = sample_volume(truth, *((low - 7, high + 5) for low, high in (z, y, x)))
    assert np.array_equal(wide[7:-5, 7:-5, 7:-5], sample_volume(truth, z, y, x))
    assert wide.min() > 100 and wide.max() < 5000


def test_the_sample_is_the_same_plane_by_plane() -> None:
    """No structure is lost because it is centred far outside the window."""
    truth, edges = LSMTruth.of(SMALL), (0, 64)
    whole = sample_volume(truth, edges, edges, edges)
    for n in range(64):
        plane = (n, n + 1)
        assert np.array_equal(whole[n : n + 1], sample_volume(truth, plane, edges, edges))
        assert np.array_equal(whole[:, n : n + 1], sample_volume(truth, edges, plane, edges))
        assert np.array_equal(whole[..., n : n + 1], sample_volume(truth, edges, edges, plane))


def test_slices_differ_and_channels_show_one_tissue_differently() -> None:
    truth = LSMTruth.of(SMALL)
    window: tuple[Any, ...] = ((0, 60), (0, 60), (0, 60))
    first, second = sample_volume(truth, *window), sample_volume(truth, *window, channel=2)
    other = sample_volume(truth, *window, slice_number=2)
    assert 0.3 < np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.98
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] < 0.3


def test_it_compresses_like_tissue(tmp_path: Path) -> None:
    spec = LSMSimulationSpec(strips=1, rows=128, columns=128, frames=128)
    (folder,) = simulate_lsm(tmp_path, spec)
    chunk = np.ascontiguousarray(pixels(folder, spec))
    packed = Blosc("zstd", 1, Blosc.BITSHUFFLE).encode(chunk)
    assert 1.8 < chunk.nbytes / len(packed) < 2.3


def test_one_byte_per_pixel(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, pixel_encoding="Mono8", strips=1)
    (folder,) = simulate_lsm(tmp_path / "eight", spec)
    assert raw_frames(folder).shape == (20, 22, 60)
    (deep,) = simulate_lsm(tmp_path / "sixteen", dataclasses.replace(spec, pixel_encoding="Mono16"))
    eight, sixteen = pixels(folder, spec), pixels(deep, dataclasses.replace(spec, pixel_encoding="Mono16"))
    assert np.abs(eight - sixteen / 8).max() <= 0.5 + 1 / 16
    assert eight.max() < raw_frames(folder)[:, 21, 24:].min()


@pytest.mark.parametrize(("kind", "name"), [("project", "info.mat"), ("strip", "Run1_info.mat")])
def test_dark_frames_come_last_and_the_info_file_counts_them(tmp_path: Path, kind: Any, name: str) -> None:
    spec = dataclasses.replace(SMALL, strips=1, background_frames=7, info_file=kind)
    (folder,) = simulate_lsm(tmp_path, spec)
    camera = loadmat(tmp_path / name, squeeze_me=True)["info"]["camera"].item()
    assert (int(camera["kineticSeriesLength"]), int(camera["backgroundFramesNum"])) == (27, 7)
    seen = pixels(folder, spec)
    assert seen.shape[2] == 27
    assert seen[..., 20:].mean() == pytest.approx(100, abs=1) and seen[..., :20].mean() > 150


def test_slow_writing_is_seen_as_growth_and_ends_equal(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, strips=1, slow_write=True)
    first = tmp_path / "slow" / "Run1" / spool_name(0)
    sizes: set[int] = set()
    markers: list[bool] = []

    class Looks(threading.Event):
        """Never told to stop; looks while the writer pauses."""

        def wait(self, timeout: float | None = None) -> bool:
            sizes.add(first.stat().st_size)
            return False

    simulate_lsm(
        tmp_path / "slow",
        spec,
        on_file=lambda path: markers.append((path.parent / "Spooled files.sifx").exists()),
        stop=Looks(),
    )
    assert len(sizes - {0}) >= 2 and any(size % (22 * 120) for size in sizes)
    assert markers == [False] * 4 + [True]
    simulate_lsm(tmp_path / "quick", spec := dataclasses.replace(spec, slow_write=False))
    slow, quick = content(tmp_path / "slow" / "Run1"), content(tmp_path / "quick" / "Run1")
    assert slow == quick


def test_strips_come_one_at_a_time(tmp_path: Path) -> None:
    strips = simulate_strips(tmp_path, SMALL)
    assert next(strips).name == "Run1" and not (tmp_path / "Run1_1").exists()
    assert [path.name for path in strips] == ["Run1_1"]


def test_a_stopped_session_leaves_a_strip_cut_short(tmp_path: Path) -> None:
    stop, files = threading.Event(), []

    def on_file(path: Path) -> None:
        files.append(path)
        if len(files) == 7:
            stop.set()

    assert [path.name for path in simulate_lsm(tmp_path, SMALL, on_file=on_file, stop=stop)] == ["Run1"]
    assert sorted(path.name for path in (tmp_path / "Run1_1").iterdir()) == [spool_name(0), "acquisitionmetadata.ini"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strips": 0}, "--strips: found 0; expected 1 or more"),
        ({"channels": 3}, "--channels: found 3; expected 1 to 2"),
        ({"columns": 70_000}, "--columns: found 70000; expected 1 to 65535"),
        ({"overlap_percent": 100}, "--overlap-percent: found 100; expected 0 or more, below 100"),
        ({"jitter": 10}, "--jitter: found 10; expected 0 to 9, half the overlap of neighbouring strips"),
        ({"pixel_encoding": "Mono12"}, "--pixel-encoding: found 'Mono12'; expected Mono16 or Mono8"),
        ({"background_frames": 3}, "--background-frames: found 3 without an info file"),
        ({"seed": -1}, "--seed: found -1; expected 0 or more"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        simulate_lsm(tmp_path / "out", dataclasses.replace(SMALL, **wrong))
    assert not (tmp_path / "out").exists()


def test_strips_are_not_mixed_with_older_ones(tmp_path: Path) -> None:
    simulate_lsm(tmp_path, SMALL)
    before = content(tmp_path)
    with pytest.raises(BadInput, match=r"Run1, which is not empty; expected no strip of that name"):
        simulate_lsm(tmp_path, dataclasses.replace(SMALL, seed=9))
    assert content(tmp_path) == before


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteFailed, match=r"file: found "):
        simulate_lsm(tmp_path / "file", SMALL)


@pytest.mark.parametrize("text", ["", "{}", '{"format": "opticstream-lsm-ground-truth/2"}', "[1"])
def test_another_file_is_no_truth(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ground_truth.json"
    path.write_text(text)
    with pytest.raises(BadFile, match="expected a ground truth of format opticstream-lsm-ground-truth/1"):
        LSMTruth.read(path)
    path.unlink()
    with pytest.raises(BadFile, match="No such file"):
        LSMTruth.read(path)
