"""Beads are found in made frames: all of them, nothing else, and in their middle."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.bead_image import BeadImage, expose
from opticstream.scope.beads import BeadBoard
from opticstream.scope.selection import default_threshold, find_beads, match_seed

REACH = 95
BEAD = BeadImage()


def frame(
    places: Any, width: int = 512, height: int = 256, *, gain: float = 25000.0, kind: Any = np.uint8
) -> NDArray[Any]:
    """Return a frame with beads at (x, y, z): px, px, nm."""
    level = np.full((height + 2 * REACH, width + 2 * REACH), BEAD.background)
    for x, y, z in places:
        left, top = round(x), round(y)
        image = BEAD.draw(x - left + REACH, y - top + REACH, z, 2 * REACH)
        level[top : top + 2 * REACH, left : left + 2 * REACH] += image - BEAD.background
    random = np.random.default_rng(0)
    return expose(level[REACH:-REACH, REACH:-REACH], random, gain=gain, kind=kind)


def scattered(number: int, seed: int, width: int = 512, height: int = 256) -> list[tuple[float, float, float]]:
    """Return places as the simulated camera chooses them: 50 px apart, 27 px from the edge."""
    random = np.random.default_rng(seed)
    places: list[tuple[float, float, float]] = []
    while len(places) < number:
        x, y = random.uniform(27, width - 27), random.uniform(27, height - 27)
        if all(np.hypot(x - a, y - b) >= 50 for a, b, _ in places):
            places.append((x, y, random.uniform(-5000, 5000)))
    return places


def assert_found(image: NDArray[Any], places: list[tuple[float, float, float]], within_px: float) -> None:
    found = find_beads(image, 50)
    assert len(found) == len(places)
    for x, y, _ in places:
        assert min(np.hypot(bead.x - x, bead.y - y) for bead in found) < within_px
    assert [bead.score for bead in found] == sorted((bead.score for bead in found), reverse=True)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("gain", "kind"), [(25000.0, np.uint8), (500.0, np.uint8), (25000.0, np.uint16)])
def test_ten_beads_at_any_height_and_nothing_else(seed: int, gain: float, kind: Any) -> None:
    places = scattered(10, seed)
    assert_found(frame(places, gain=gain, kind=kind), places, 0.5)


def test_a_hundred_beads_in_a_large_frame() -> None:
    places = scattered(100, 7, 1280, 1024)
    assert_found(frame(places, 1280, 1024), places, 0.5)


def test_beads_in_focus_and_frames_of_floats() -> None:
    places = [(x, y, 0.0) for x, y, _ in scattered(10, 3)]
    image = frame(places)
    assert_found(image, places, 0.1)
    assert_found(image.astype(np.float64) / 255, places, 0.1)


@pytest.mark.parametrize("apart", [5, 12, 20])
@pytest.mark.parametrize("z", [-3000.0, 0.0, 2000.0])
def test_a_double_counts_once(apart: float, z: float) -> None:
    single = (400.0, 120.0, z)
    found = find_beads(frame([(150.0, 128.0, z), (150.0 + apart, 128.0, z), single]), 50)
    assert sum(abs(bead.x - 400) < 2 and abs(bead.y - 120) < 2 for bead in found) == 1
    assert len(found) <= 2


def test_two_beads_whose_regions_overlap_are_two() -> None:
    assert_found(frame([(150.0, 128.0, 1000.0), (190.0, 128.0, 1000.0)]), [(150, 128, 0), (190, 128, 0)], 2.0)


@pytest.mark.parametrize("edge", [10.0, 20.0, 23.0, 24.4, 26.0])
def test_regions_around_what_is_found_lie_in_the_frame(edge: float) -> None:
    places = [(edge, 128.0, 1000.0), (250.0, edge, 0.0), (511 - edge, 60.0, -2000.0), (400.0, 255 - edge, 3000.0)]
    found = find_beads(frame([*places, (150.0, 150.0, 0.0)]), 50)
    board = BeadBoard(512, 256, 50)
    assert len(board.add([bead[:2] for bead in found]).ids) == len(found) == (5 if edge > 25 else len(found))
    for bead in found:
        assert min(np.hypot(bead.x - x, bead.y - y) for x, y, _ in [*places, (150.0, 150.0, 0.0)]) < 1


def _without_beads() -> dict[str, NDArray[Any]]:
    random, y, x = np.random.default_rng(0), *np.mgrid[:256, :512]
    return {
        "dark": np.zeros((256, 512), np.uint8),
        "saturated": np.full((256, 512), 255, np.uint8),
        "saturated16": np.full((256, 512), 65535, np.uint16),
        "photons": random.poisson(0.05, (256, 512)).astype(np.uint8),
        "empty": frame([]),
        "noise": random.normal(100, 5, (256, 512)).astype(np.uint8),
        "float noise": random.normal(0, 1, (256, 512)),
        "hot pixels": np.where(random.random((256, 512)) < 1e-3, 255, 0).astype(np.uint8),
        "uneven light": (200 - np.hypot(x - 256, y - 128) / 2 + random.normal(0, 2, x.shape)).astype(np.uint8),
        "ramp": (x / 2).astype(np.uint8),
        "edge": np.where(x > 200, 200, 20).astype(np.uint8),
        "corner": np.where((x > 200) & (y > 100), 200, 20).astype(np.uint8),
        "line": np.where(abs(x - y) < 3, 200, 20).astype(np.uint8),
    }


@pytest.mark.parametrize("kind", _without_beads())
def test_no_bead_where_there_is_none(kind: str) -> None:
    assert find_beads(_without_beads()[kind], 50) == []


@pytest.mark.parametrize(
    "search", [lambda image: find_beads(image, 50), lambda image: match_seed(image, (0, 50, 0, 50))]
)
@pytest.mark.parametrize(
    "image", [np.zeros((49, 512)), np.zeros((60, 60, 3)), np.full((60, 60), np.nan), np.zeros((60, 60), complex)]
)
def test_what_is_no_frame_is_a_value_error(search: Any, image: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="frame") as caught:
        search(image)
    assert isinstance(caught.value, BadInput)


def region(x: float, y: float) -> tuple[int, int, int, int]:
    left, top = round(x - 24.5), round(y - 24.5)
    return left, left + 50, top, top + 50


ALIKE = [(60.0, 60.0, 1500.0), (200.0, 60.0, 1500.0), (330.0, 60.0, 1500.0), (460.0, 190.0, 1500.0)]
OTHER = [(60.0, 190.0, -3000.0), (200.0, 190.0, 0.0)]


def test_what_looks_like_the_seed_is_found_and_cut_at_the_gap() -> None:
    image = frame(ALIKE + OTHER)
    told: list[int] = []
    found = match_seed(image, region(60, 60), progress=told.append)
    assert found is not None
    assert sorted(found.above().tolist()) == sorted(list(region(x, y)) for x, y, _ in ALIKE[1:])
    assert (found.scores[:3] > 0.98).all()
    assert found.above(2.0).shape == (0, 4)
    assert len(found.above(-1.0)) == len(found.rois) > 3
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1000)
    corners = np.vstack([found.rois, [region(60, 60)]])[:, ::2].astype(int)
    apart = np.abs(corners[:, None] - corners).max(axis=2)
    np.fill_diagonal(apart, 50)
    assert apart.min() >= 50


def test_existing_regions_are_left_alone() -> None:
    found = match_seed(frame(ALIKE), region(60, 60), [region(205, 55), region(460, 190)])
    assert found is not None
    assert found.rois[0].tolist() == list(region(330, 60))
    assert found.scores[1] < 0.9 < found.scores[0]


def test_scores_are_pearsons_correlation() -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 65535, (140, 60)).astype(np.uint16)
    image[100:120, 30:50] = image[10:30, 10:30] // 2 + 7
    found = match_seed(image, (10, 30, 10, 30))
    assert found is not None
    assert found.rois[0].tolist() == [30, 50, 100, 120]
    for (x0, x1, y0, y1), score in zip(found.rois.tolist(), found.scores, strict=True):
        expected = np.corrcoef(image[y0:y1, x0:x1].ravel(), image[10:30, 10:30].ravel())[0, 1]
        assert score == pytest.approx(expected, abs=1e-5)


def test_flat_places_match_nothing_and_a_flat_seed_is_refused() -> None:
    image = np.full((256, 512), 200, np.uint16)
    image[:, :150] = frame(ALIKE[:1], 150, kind=np.uint16)
    found = match_seed(image, region(60, 60))
    assert found is not None
    assert (found.rois[:, 0] < 150).all()
    with pytest.raises(ValueError, match="seed region: found one grey level"):
        match_seed(image, (300, 350, 100, 150))
    for bad in ((-1, 49, 0, 50), (480, 530, 0, 50), (0, 50, 0, 40), (0, 0, 0, 0)):
        with pytest.raises(ValueError, match=r"region|frame"):
            match_seed(image, bad)


@pytest.mark.parametrize("stripes", range(4))
def test_a_search_can_be_cancelled_between_stripes(stripes: int) -> None:
    told: list[int] = []
    image = frame(ALIKE)
    assert match_seed(image, region(60, 60), progress=told.append, cancelled=lambda: len(told) > stripes) is None
    assert len(told) == stripes + 1
    assert 1000 not in told


def test_threshold() -> None:
    assert default_threshold(np.array([0.9, 0.88, 0.87, 0.4, 0.35])) == pytest.approx(0.635)
    assert default_threshold(np.array([0.8, 0.4, 0.2, 0.0])) == pytest.approx(0.5)
    assert default_threshold(np.array([])) == 1.0


def test_importing_it_does_not_import_scipy() -> None:
    code = "import opticstream.scope.selection, opticstream.scope.locks, opticstream.scope.beads, sys; "
    code += "sys.exit([m for m in ('scipy', 'numba', 'prefect', 'h5py') if m in sys.modules] or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
