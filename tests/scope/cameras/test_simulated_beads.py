"""Places, motion, optics and noise of the simulated beads are what is documented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.scope.bead_image import BeadImage
from opticstream.scope.cameras.bead_frame import BeadFrame
from opticstream.scope.cameras.bead_places import place_beads
from opticstream.scope.cameras.bead_table import BeadTable
from opticstream.scope.cameras.simulated_beads import BeadModel, SimulatedBeads
from opticstream.scope.tracking.tracker import Backend

NO_BEADS = np.empty((0, 3))


@pytest.fixture(scope="module")
def table() -> BeadTable:
    return BeadTable(BeadImage())


def _least_distance(places: np.ndarray) -> float:
    apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    return float(apart[np.triu_indices(len(places), 1)].min())


@settings(deadline=None, max_examples=20)
@given(number=st.integers(2, 20), seed=st.integers(0, 2**32 - 1), width=st.integers(500, 900))
def test_beads_stand_apart_and_away_from_the_edge(number: int, seed: int, width: int) -> None:
    places = place_beads(number, width, 256, np.random.default_rng(seed))
    assert places.shape == (number, 2)
    assert _least_distance(places) >= 50.0
    assert (places >= 27).all()
    assert (places <= [width - 28, 228]).all()
    assert np.array_equal(places, place_beads(number, width, 256, np.random.default_rng(seed)))


def test_many_beads_stand_closer_and_no_closer_than_they_must() -> None:
    places = place_beads(400, 512, 256, np.random.default_rng(1))
    assert len(places) == 400
    least = _least_distance(places)
    assert 50 * 0.95**35 < least < 50 * 0.95**20


def test_a_frame_that_is_all_margin_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 56 x 56 px"):
        place_beads(1, 55, 200, np.random.default_rng(1))
    assert len(place_beads(0, 512, 256, np.random.default_rng(1))) == 0


@pytest.mark.parametrize("dt_s", [0.01, 0.1, 3.0])
def test_tethered_beads_have_the_spread_and_the_memory_of_their_tether(dt_s: float) -> None:
    model = BeadModel(fixed_n=0, tethered_n=12, tethered_z=0.5, tethered_z_sigma=0.2, tethered_xy_sigma=2.0)
    beads = SimulatedBeads(model, 900, 900)
    anchors = beads.positions()
    assert (anchors[:, 2] == 500.0).all()
    path = []
    for _ in range(6000):
        beads.step(dt_s)
        path.append(beads.positions())
    moved = np.array(path)[500:] - anchors
    spread = moved.std(axis=(0, 1))
    assert spread == pytest.approx([2.0, 2.0, 200.0], rel=0.12)
    after = [(moved[1:, :, axis] * moved[:-1, :, axis]).mean() / spread[axis] ** 2 for axis in range(3)]
    assert after == pytest.approx(np.exp(-np.array([1.5, 1.5, 2.0]) * dt_s), abs=0.05)


def test_fixed_beads_stay_and_focus_raises_all() -> None:
    beads = SimulatedBeads(BeadModel(fixed_n=4, fixed_z=1.5, tethered_n=2), 512, 256)
    before = beads.positions()
    beads.step(1.0)
    after = beads.positions(focus_nm=-250.0)
    assert np.array_equal(after[:4, :2], before[:4, :2])
    assert (before[:4, 2] == 1500.0).all()
    assert (after[:4, 2] == 1250.0).all()
    assert (after[4:] != before[4:]).all()


@settings(deadline=None, max_examples=60)
@given(z=st.floats(-20000, 20000))
def test_interpolated_planes_are_those_of_the_optics(table: BeadTable, z: float) -> None:
    within = int(25 * table.bead.nm_per_px / 10)
    error = table.line(z)[:within] + table.bead.background - table.bead.profile(z)[:within]
    assert np.abs(error).max() < 2e-4


def test_rings_fade_out_beyond_the_crop(table: BeadTable) -> None:
    assert table.reach_px == 29.0
    line = table.line(2000.0)
    assert abs(line[-1]) < 1e-6
    assert len(line) * 10 >= 29 * 200


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_frame_shows_each_bead_where_it_is(table: BeadTable, backend: Backend) -> None:
    """At so many photons there is no noise left: each pixel is the optics' own, within rounding."""
    beads = np.array([[40.3, 51.8, 700.0], [110.5, 49.0, -1200.0]])
    frame, out = BeadFrame(table, 160, 100, backend), np.empty((100, 160), np.uint8)
    frame.draw(beads[:1], beads[1:], 1e9, 1, out)
    for x, y, z in beads:
        left, top = int(x) - 16, int(y) - 16
        expected = table.bead.draw(x - left, y - top, z, 33)
        seen = out[top : top + 33, left : left + 33] / 255
        assert np.abs(seen - np.clip(expected, 0, 1)).max() < 0.5 / 255 + 4e-4
    assert abs(int(out[3, 75]) - 102) <= 1


def test_both_backends_draw_the_same_light(table: BeadTable) -> None:
    beads = SimulatedBeads(BeadModel(fixed_n=6, tethered_n=5), 512, 256).positions()
    beads[0, :2], beads[1, :2] = (2.5, 3.0), (511.9, 255.2)  # cut off by the edge
    levels = []
    for backend in ("numba", "numpy"):
        out = np.empty((256, 512), np.uint8)
        BeadFrame(table, 512, 256, backend).draw(beads[:6], beads[6:], 1e9, 3, out)  # type: ignore[arg-type]
        levels.append(out.astype(int))
    assert np.abs(levels[0] - levels[1]).max() <= 1


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_fixed_beads_are_drawn_anew_when_they_move(table: BeadTable, backend: Backend) -> None:
    frame, out, again = BeadFrame(table, 100, 100, backend), *np.empty((2, 100, 100), np.uint8)
    bead = np.array([[50.0, 50.0, 0.0]])
    frame.draw(bead, NO_BEADS, 1e9, 1, out)
    frame.draw(bead + np.array([0.0, 0.0, 900.0]), NO_BEADS, 1e9, 1, again)
    assert np.abs(out.astype(int) - again).max() > 20
    frame.draw(bead, NO_BEADS, 1e9, 1, again)
    assert np.array_equal(out, again)


@pytest.mark.parametrize("gain", [5.0, 30.0, 99.0, 101.0, 400.0, 25000.0])
def test_noise_has_the_mean_variance_and_skewness_of_photons(gain: float) -> None:
    """A bead-free frame at 0.4 of full scale is Poisson's; grey levels are coarser than photons at large gains."""
    level, shape = 0.4, (1000, 1000)
    table = BeadTable(BeadImage(background=level))
    out = np.empty(shape, np.uint8)
    BeadFrame(table, *shape, "numba").draw(NO_BEADS, NO_BEADS, gain, 5, out)
    photons = out / 255 * gain
    mean = level * gain
    from scipy.stats import poisson

    number = np.arange(poisson.ppf(1 - 1e-12, mean) + 1)
    share = poisson.pmf(number, mean)
    grey = np.floor(np.minimum(number, gain) * 255 / gain + 0.5) * gain / 255
    expected = (share * grey).sum()
    variance = (share * (grey - expected) ** 2).sum()
    skewness = (share * (grey - expected) ** 3).sum() / variance**1.5
    error = np.sqrt(variance / out.size)
    assert photons.mean() == pytest.approx(expected, abs=5 * error + 1e-4 * mean)
    assert photons.var() == pytest.approx(variance, rel=0.015)
    found = ((photons - photons.mean()) ** 3).mean() / photons.std() ** 3
    assert found == pytest.approx(skewness, abs=0.03)


def test_noise_of_neighbours_rows_and_frames_is_independent() -> None:
    table = BeadTable(BeadImage())
    frame, one, two = BeadFrame(table, 512, 512, "numba"), *np.empty((2, 512, 512), np.uint8)
    frame.draw(NO_BEADS, NO_BEADS, 1000.0, 1, one)
    frame.draw(NO_BEADS, NO_BEADS, 1000.0, 2, two)
    first, second = (image.astype(float) - image.mean() for image in (one, two))
    for other in (second, *(np.roll(first, k, 1) for k in range(1, 9)), np.roll(first, 1, 0)):
        correlation = (first * other).mean() / first.std() / other.std()
        assert abs(correlation) < 5 / 512
    again = np.empty_like(one)
    frame.draw(NO_BEADS, NO_BEADS, 1000.0, 1, again)
    assert np.array_equal(one, again)
