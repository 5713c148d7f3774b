"""Projections side by side: where strips lie is found again, and what is joined is what was there."""

import contextlib
import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from opticstream.core.errors import BadFile, BadInput
from opticstream.imaging.lsm_blend import place_strips, whole_shape
from opticstream.imaging.lsm_registration import nominal_starts, register_strips
from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
from opticstream.imaging.lsm_stitch import StitchRecord, stitch_mips
from opticstream.imaging.lsm_truth import LSMTruth, sample_volume
from opticstream.imaging.tiff_image import open_image
from support.strip_mips import strip_images, true_positions, write_mips

SPEC = LSMSimulationSpec(strips=4, rows=24, columns=128, frames=200, overlap_percent=20, jitter=6, seed=3)


def joined(mips: list[Path], **options: Any) -> tuple[StitchRecord, NDArray[Any]]:
    out = mips[0].with_name("out.tiff")
    record = stitch_mips(mips, out, **({"overlap_percent": 20.0} | options))
    image: NDArray[Any] = tifffile.imread(out)
    assert image.shape == record.shape and image.dtype == record.dtype
    return record, image


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [{}, {"overlap_percent": 60, "jitter": 8}, {"columns": 64, "overlap_percent": 30, "jitter": 3}],
    ids=["fifth", "more than half", "narrow"],
)
def test_places_are_found_again(seed: int, options: dict[str, Any]) -> None:
    spec = dataclasses.replace(SPEC, seed=seed, **options)
    mips = [image.max(axis=0) for image in strip_images(spec)]
    nominal = nominal_starts([spec.columns] * 4, spec.overlap_percent)
    positions, pairs = register_strips(mips, nominal)
    assert all(pair.measured for pair in pairs)
    assert len(pairs) == (3 if spec.overlap_percent < 50 else 5)
    assert np.abs(np.array(positions) - true_positions(spec)).max() <= 1


def test_jitter_is_worth_measuring() -> None:
    """The nominal places of the strips above are wrong by several pixels, so finding them again says something."""
    steps = [np.diff(true_positions(dataclasses.replace(SPEC, seed=seed)), axis=0) for seed in range(4)]
    assert (np.abs(np.array(steps) - (102, 0)).max(axis=(0, 1)) >= 6).all()


def test_the_joined_image_has_no_seam(tmp_path: Path) -> None:
    """Against the projection of the noise-free sample, seams are no worse than the rest."""
    images = strip_images(SPEC)
    record, image = joined(write_mips(tmp_path, images))
    truth = LSMTruth.of(SPEC)
    y0, x0 = (min(getattr(strip, axis) for strip in truth.strips) for axis in ("y", "x"))
    known = sample_volume(truth, (0, 24), (y0, y0 + image.shape[0]), (x0, x0 + image.shape[1])).max(axis=0)
    covered = slice(max(x for _, x in record.positions), min(x for _, x in record.positions) + 200)
    error = (image - known)[:, covered].mean(axis=1)  # of each row; a maximum of noisy values is above the truth
    shared = np.zeros(len(image), bool)
    for (above, _), (below, _) in itertools.pairwise(record.positions):
        shared[below : above + 128] = True
    assert 50 < shared.sum() < 110
    alone = error[~shared]
    assert abs(error[shared].mean() - alone.mean()) < alone.std()
    assert np.abs(np.diff(error)).max() < 8 * np.abs(np.diff(alone)).mean()


def test_pixels_that_one_strip_covers_are_unchanged(tmp_path: Path) -> None:
    images = strip_images(SPEC)
    record, image = joined(write_mips(tmp_path, images))
    covers = np.zeros(image.shape, int)
    for y, x in record.positions:
        covers[y : y + 128, x : x + 200] += 1
    for (y, x), strip in zip(record.positions, images, strict=True):
        alone = covers[y : y + 128, x : x + 200] == 1
        assert alone.sum() > 10_000
        assert np.array_equal(image[y : y + 128, x : x + 200][alone], strip.max(axis=0)[alone])
    assert (image[covers == 0] == 0).all() and (image[covers > 0] > 0).all()


def test_an_overlap_fades_in_a_straight_line(tmp_path: Path) -> None:
    mips = write_mips(tmp_path, [np.full((1, 10, 7), value, np.uint16) for value in (0, 1000)])
    record, image = joined(mips, overlap_percent=40, refine=False)
    assert record.positions == ((0, 0), (6, 0)) and record.pairs == ()
    assert image[:, 3].tolist() == [0] * 6 + [200, 400, 600, 800] + [1000] * 6


@pytest.mark.parametrize("overlap", [0, 10, 45, 80])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_equal_strips_stay_as_they_are(tmp_path: Path, overlap: float, dtype: str) -> None:
    value = 255 if dtype == "uint8" else 65535
    mips = [tmp_path / f"{n}.tiff" for n in range(5)]
    for path in mips:
        tifffile.imwrite(path, np.full((20, 9), value, dtype))
    _, image = joined(mips, overlap_percent=overlap)
    assert image.dtype == dtype
    assert image.shape == (20 + 4 * (20 - round(overlap / 5)), 9)
    assert np.allclose(image, value, rtol=1e-6) and (dtype == "float32" or (image == value).all())


def test_strips_of_other_lengths_are_padded(tmp_path: Path) -> None:
    images = strip_images(SPEC)
    images[1] = images[1][:, :, :150]
    record, image = joined(write_mips(tmp_path, images))
    assert np.abs(np.array(record.positions) - true_positions(SPEC)).max() <= 1
    y, x = record.positions[1]
    only = slice(y + 40, y + 90)
    assert (image[only, x + 150 :] == 0).all() and (image[only, x : x + 150] > 0).all()


@pytest.mark.parametrize("kind", ["noise", "flat", "trend"])
def test_an_empty_overlap_keeps_its_nominal_place(kind: str) -> None:
    """Unrelated noise, nothing at all, or the same slow change of brightness: none of them tells a place."""
    rng = np.random.default_rng(1)
    strips = [np.full((100, 300), 500.0) for _ in range(3)]
    for strip in strips:
        if kind != "flat":
            strip += rng.normal(0, 20, strip.shape)
        if kind == "trend":
            strip += np.linspace(0, 400, 300)
    positions, pairs = register_strips(strips, nominal_starts([100] * 3, 20))
    assert positions == [(0, 0), (80, 0), (160, 0)]
    assert not any(pair.measured for pair in pairs) and all(abs(pair.correlation) < 0.3 for pair in pairs)


def test_one_empty_overlap_does_not_move_the_others() -> None:
    mips = [image.max(axis=0) for image in strip_images(SPEC)]
    mips[1] = mips[1].copy()
    mips[1][-40:] = 130  # nothing in its overlap with the third
    positions, pairs = register_strips(mips, nominal_starts([128] * 4, 20))
    assert [pair.measured for pair in pairs] == [True, False, True]
    truth, found = true_positions(SPEC), np.array(positions)
    assert np.abs((found[1] - found[0]) - (truth[1] - truth[0])).max() <= 1
    assert np.abs((found[3] - found[2]) - (truth[3] - truth[2])).max() <= 1
    assert (found[2] - found[1]).tolist() == [102, 0]


def test_no_place_beyond_the_bound_is_believed() -> None:
    mips = [image.max(axis=0) for image in strip_images(SPEC)]
    nominal = nominal_starts([128] * 4, 20)
    for bound in (0, 2):
        _, pairs = register_strips(mips, nominal, max_shift_px=bound)
        assert all(abs(pair.y - 102) <= bound and abs(pair.x) <= bound for pair in pairs)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=5),
    st.floats(0, 99),
)
def test_every_covered_pixel_has_weight(shapes: list[tuple[int, int]], overlap: float) -> None:
    starts = nominal_starts([rows for rows, _ in shapes], overlap)
    strips = place_strips(shapes, [(start, 0) for start in starts])
    assert starts[0] == 0 and all(after > before for before, after in itertools.pairwise(starts))
    assert all(strip.weights.shape == (strip.rows,) and strip.weights.min() > 0 for strip in strips)
    assert all(strip.weights.max() <= 1 for strip in strips)
    rows, columns = whole_shape(strips)
    assert rows >= max(start + shape[0] for start, shape in zip(starts, shapes, strict=True))
    assert columns == max(width for _, width in shapes)


def test_two_neighbours_weigh_one_together() -> None:
    first, second = place_strips([(50, 1), (50, 1)], [(0, 0), (30, 0)])
    assert np.allclose(first.weights[30:] + second.weights[:20], 1)
    assert first.weights[:30].min() == 1 == second.weights[20:].min()


def test_the_record_is_json_and_the_resolution_is_stored(tmp_path: Path) -> None:
    mips = write_mips(tmp_path, strip_images(SPEC))
    record, _ = joined(mips, voxel_size_um=(2.0, 0.5))
    assert json.loads(json.dumps(record.as_json()))["positions"] == [list(place) for place in record.positions]
    with tifffile.TiffFile(tmp_path / "out.tiff") as tiff:
        tags = tiff.pages.first.tags
        assert [tags[name].value[0] / tags[name].value[1] for name in ("XResolution", "YResolution")] == [20000, 5000]
        assert tags["ResolutionUnit"].value == 3


def test_compressed_projections_are_read_too(tmp_path: Path) -> None:
    images = strip_images(SPEC)
    _, plain = joined(write_mips(tmp_path, images))
    (tmp_path / "packed").mkdir()
    packed = write_mips(tmp_path / "packed", images)
    for path, image in zip(packed, images, strict=True):
        tifffile.imwrite(path, image.max(axis=0), compression="zlib", bigtiff=True, byteorder=">")
    assert np.array_equal(joined(packed)[1], plain)


def test_what_is_no_projection_is_named(tmp_path: Path) -> None:
    mips = write_mips(tmp_path, strip_images(SPEC)[:2])
    with pytest.raises(BadInput, match="mips: found no file"):
        stitch_mips([], tmp_path / "out.tiff", overlap_percent=10)
    with pytest.raises(BadInput, match=r"overlap_percent: found 100; expected 0 or more, below 100"):
        stitch_mips(mips, tmp_path / "out.tiff", overlap_percent=100)
    whole = mips[1].read_bytes()
    tifffile.imwrite(mips[1], np.zeros((5, 5), np.uint8))
    with pytest.raises(BadFile, match=r"strip_2.tiff: found uint8; expected uint16, as in strip_1.tiff"):
        joined(mips)
    tifffile.imwrite(mips[1], np.zeros((4, 5, 5), np.uint16), photometric="minisblack")
    with pytest.raises(BadFile, match=r"strip_2.tiff: found .*shape.*; expected a whole TIFF"):
        joined(mips)
    for content in (b"", b"II*\0", whole[: len(whole) // 2], b"no picture" * 100):
        mips[1].write_bytes(content)
        with pytest.raises(BadFile, match=r"strip_2.tiff: found .*expected a whole TIFF"):
            joined(mips)
    mips[1].unlink()
    with pytest.raises(BadFile, match=r"strip_2.tiff: found No such file"):
        joined(mips)
    assert not (tmp_path / "out.tiff").exists()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(min_size=1, max_size=8), st.booleans())
def test_damaged_headers_are_refused_or_read(tmp_path: Path, at: int, damage: bytes, packed: bool) -> None:
    path = tmp_path / "damaged.tiff"
    tifffile.imwrite(path, np.ones((9, 7), np.uint16), compression="zlib" if packed else None)
    content = bytearray(path.read_bytes())
    content[at % len(content) : at % len(content) + len(damage)] = damage
    path.write_bytes(content)
    with contextlib.suppress(BadFile):
        image = open_image(path)
        assert image.ndim == 2 and image.size > 0 and image.nbytes <= 1 << 20


def test_it_stops_when_told_to(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        joined(write_mips(tmp_path, strip_images(SPEC)), check=stop)


_MEMORY = """
import sys
from pathlib import Path
from opticstream.imaging import lsm_stitch
import scipy.fft, scipy.ndimage, tifffile

def anonymous():
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) // 1024

before, most = anonymous(), 0
def check():
    global most
    most = max(most, anonymous())
folder = Path(sys.argv[1])
record = lsm_stitch.stitch_mips([folder / f"{n}.tiff" for n in range(4)], folder / "out.tiff", overlap_percent=10, check=check)
print(record.shape[0] * record.shape[1] * 2 >> 20, most - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        tifffile.imwrite(tmp_path / f"{number}.tiff", rng.integers(0, 999, (2048, 12_000), np.uint16))
    run = subprocess.run([sys.executable, "-c", _MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    size, used = map(int, run.stdout.split())
    assert size > 170 and used < 150
