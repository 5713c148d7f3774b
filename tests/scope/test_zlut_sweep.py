"""Z-LUTs by a sweep: what is taken, what is not, and how it ends."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.scope.bead_image import BeadImage, expose
from opticstream.scope.hardware_sim import LinearMotion
from opticstream.scope.tracking import Tracker, TrackingOptions, ZLut
from opticstream.scope.zlut_generation import SweepLimits, SweepPhase, SweepRequest, ZLutSweep
from support.zlut_bench import ZLutBench, plain_profiles

P = SweepPhase


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (SweepRequest(0, 0, 100, 1), "step: found 0 nm"),
        (SweepRequest(0, -10, 100, 1), "more than 0, towards the stop"),
        (SweepRequest(100, 10, 0, 1), "less than 0, towards the stop"),
        (SweepRequest(0, 10, 0, 1), "2 or more"),
        (SweepRequest(0, 200, 100, 1), "2 or more"),
        (SweepRequest(0, 30, 100, 1), "Stop at 90 nm"),
        (SweepRequest(0, 10, 100, 0), "profiles_per_bead: found 0"),
        (SweepRequest(0, 10, 100, 1.5), "whole number"),  # type: ignore[arg-type]
        (SweepRequest(float("nan"), 10, 100, 1), "start: found nan"),
        (SweepRequest(0, 1e-9, 100, 1), "at most 100000"),
    ],
)
def test_sweeps_that_cannot_be_are_refused(request_: SweepRequest, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        request_.positions()
    sweep = ZLutSweep()
    bench = ZLutBench(sweep)
    bench.do(sweep.start(request_, 0.0, beads=[1]))
    assert bench.failure.title == "Could not start Z-LUT generation"
    assert sweep.phase is P.IDLE and not bench.frozen


@given(st.floats(-5000, 5000), st.floats(0.1, 500), st.integers(1, 300), st.booleans())
def test_heights_are_even_and_reach_the_stop(start: float, step: float, number: int, down: bool) -> None:
    step = -step if down else step
    heights = SweepRequest(start, step, start + number * step, 1).positions()
    assert len(heights) == number + 1
    assert heights[0] == start and heights[-1] == pytest.approx(start + number * step)
    assert np.allclose(np.diff(heights), step)


@pytest.mark.parametrize("what", ["tracking", "focus_motor", "beads"])
def test_a_sweep_needs_what_it_uses(what: str) -> None:
    given_ = {"tracking": True, "focus_motor": True, "beads": [1], what: [] if what == "beads" else False}
    (failed,) = ZLutSweep().start(SweepRequest(0, 1, 2, 1), 0.0, **given_)  # type: ignore[arg-type]
    assert what.split("_")[0].rstrip("ing").rstrip("s") in str(failed)


@pytest.mark.parametrize("acquisition", [True, False])
def test_phases_follow_each_other_and_all_is_as_before(acquisition: bool) -> None:
    bench = ZLutBench(ZLutSweep(binning="linear", oversample=2), acquisition=acquisition)
    bench.start(300, -100, 0, 6)
    assert bench.frozen
    assert isinstance(bench.sweep.start(SweepRequest(0, 1, 2, 1), 0.0, beads=[1]), list)
    bench.run()
    waiting = [P.WAITING_FOCUS_LIMITS, P.WAITING_PROFILE_LENGTH]
    assert bench.phases == [*waiting, *[P.MOVING, P.CAPTURING] * 4, P.PROCESSING, P.EVALUATING]
    assert (bench.acquisition, bench.frozen, bench.last_capture()) == (acquisition, False, None)
    evaluation = bench.sweep.evaluation
    assert evaluation is not None and evaluation.selected == 3
    lut = evaluation.select(7)
    # Profiles hold the height they were taken at: none from the way, and none from before.
    assert np.allclose(lut.profiles, np.array([300, 200, 100, 0.0]) + 7)
    assert np.allclose(lut.z_nm, [300, 200, 100, 0])
    assert (lut.binning, lut.oversample) == ("linear", 2)
    assert min(np.diff(bench.progress_at)) > 0.0999


def test_the_reference_is_where_the_motor_was() -> None:
    sweep = ZLutSweep()
    sweep.start(SweepRequest(0, 100, 100, 2), 0.0, beads=[1])
    sweep.focus_limits(0, -1000, 1000)
    sweep.profile_length(0, 2)
    for step, measured in enumerate((3.0, 98.0)):
        began = 1.0 + step
        sweep.motor_status(began, [[began, measured, 100.0 * step, 1]])
        sweep.captured(began, [began], [1], [[1e9, 1e9]])  # not after it was in position
        sweep.captured(began, [began + 0.1], [1], [[1, np.nan]])
        sweep.motor_status(began, [[began + 0.2, measured + 1, 100.0 * step, 1]])
        sweep.captured(began, [began + 0.3, began + 0.3, began + 0.4], [1, 2, 1], [[2, 5], [9, 9], [9, 9]])
    assert sweep.evaluation is not None
    assert sweep.evaluation.zlut.z_nm.tolist() == [3.5, 98.5]
    assert sweep.evaluation.zlut.profiles.tolist() == [[1.5, 1.5], [5, 5]]


def test_a_row_of_the_former_target_is_not_in_position() -> None:
    sweep = ZLutSweep()
    sweep.start(SweepRequest(0, 4, 8, 1), 0.0, beads=[1])
    sweep.focus_limits(0, -1000, 1000)
    sweep.profile_length(5, 2)
    sweep.motor_status(5, [[4.9, 0, 0, 1], [5.1, -4, -4, 1], [5.2, 0, 0, 0]])
    assert sweep.phase is P.MOVING
    sweep.motor_status(5, [[5.3, 0, 0, 1]])
    assert sweep.phase is P.CAPTURING
    assert sweep.motor_status(5, np.zeros((0, 4))) == []


def test_a_dark_bead_is_left_out_and_the_others_go_on() -> None:
    def take(bead: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
        found = plain_profiles(bead, z)
        if bead == 3:
            found[z > 150] = np.nan
        return found

    bench = ZLutBench(ZLutSweep(), take)
    bench.start(0, 100, 400, 3)
    bench.run()
    assert bench.sweep.evaluation is not None
    assert list(bench.sweep.evaluation.zluts) == [7]
    assert bench.sweep.evaluation.failed == {3: "no profile at 200 nm in 4 captures"}
    with pytest.raises(BadInput, match="no profile at 200 nm"):
        bench.sweep.select(3)


def test_empty_captures_are_tried_again_and_then_fail() -> None:
    blinks = iter([True] * 12 + [False] * 1000)

    def blinking(bead: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full((len(z), 4), np.nan) if next(blinks) else plain_profiles(bead, z)

    bench = ZLutBench(ZLutSweep(limits=SweepLimits(retries=9)), blinking)
    bench.start(0, 100, 100, 2)
    bench.run()
    assert bench.sweep.phase is P.EVALUATING
    dark = ZLutBench(ZLutSweep(), lambda bead, z: np.full((len(z), 4), np.nan))
    dark.start(0, 100, 100, 2)
    dark.run()
    assert dark.failure.reason == "no profile at 0 nm in 4 captures, of any bead"
    assert dark.acquisition and not dark.frozen and dark.last_capture() is None


def test_partial_captures_go_on_when_no_frames_come() -> None:
    bench = ZLutBench(ZLutSweep())
    bench.start(0, 100, 100, 1000)
    while bench.sweep.phase is not P.CAPTURING:
        bench.turn()
    bench.turn()
    bench.turn()
    bench.camera_runs = False
    while bench.sweep.phase is P.CAPTURING:
        bench.turn(1.0)
    assert bench.sweep.phase is P.MOVING
    bench.run()  # the camera never came back
    assert "no profile at 100 nm" in bench.failure.reason


def test_a_motor_that_leaves_is_brought_back_and_its_profiles_forgotten() -> None:
    bench = ZLutBench(ZLutSweep())
    bench.start(0, 100, 100, 30)
    while bench.sweep.phase is not P.CAPTURING:
        bench.turn()
    bench.turn()
    bench.motor.move(-50, bench.now)
    bench.run()
    assert bench.sweep.evaluation is not None
    assert np.allclose(bench.sweep.evaluation.zlut.profiles, [[3, 103]] * 4)
    stubborn = ZLutBench(ZLutSweep())
    stubborn.start(0, 100, 100, 30)
    while stubborn.sweep.phase not in (P.EVALUATING, P.IDLE):
        stubborn.turn()
        if stubborn.sweep.phase is P.CAPTURING:
            stubborn.motor.move(-50, stubborn.now)
    assert "who else moves it?" in stubborn.failure.reason


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (0, "did not tell its limits"),
        (1, "does the camera run"),
        (2, "did not come nearer to 0 nm"),
    ],
)
def test_nobody_is_waited_for_for_ever(calls: int, said: str) -> None:
    sweep = ZLutSweep()
    bench = ZLutBench(sweep, acquisition=False)
    sweep.start(SweepRequest(0, 100, 200, 2), 0.0, beads=[1], acquisition_on=False)
    if calls > 0:
        sweep.focus_limits(0, -1000, 1000)
    if calls > 1:
        sweep.profile_length(0, 4)
    due = sweep.due_in(0.0)
    assert due is not None and sweep.tick(due - 0.1) == []
    bench.do(sweep.tick(due))
    assert said in bench.failure.reason
    assert (sweep.phase, bench.acquisition, sweep.due_in(0.0)) == (P.IDLE, False, None)


def test_answers_that_do_not_fit_end_it() -> None:
    for answers, said in (
        (lambda s: s.focus_limits(0, -50, 150), "the motor goes from -50 to 150 nm"),
        (lambda s: [*s.focus_limits(0, -500, 500), *s.profile_length(0, 1)], "2 bins or more"),
        (lambda s: [*s.focus_limits(0, -500, 500), *s.profile_length(0, 10**9)], "at most 1 GiB"),
        (
            lambda s: [
                *s.focus_limits(0, -500, 500), *s.profile_length(0, 4), *s.motor_status(0, [[1, 0, 0, 1]]),
                *s.captured(1, [2], [1], [[1, 2, 3]]),
            ],
            "4 bins were announced",
        ),
    ):  # fmt: skip
        bench = ZLutBench(ZLutSweep())
        bench.sweep.start(SweepRequest(0, 100, 200, 2), 0.0, beads=[1])
        bench.do(answers(bench.sweep))  # type: ignore[no-untyped-call]
        assert said in bench.failure.reason
        assert bench.sweep.phase is P.IDLE


@settings(max_examples=40, deadline=None)
@given(turns=st.integers(0, 30), acquisition=st.booleans())
def test_cancel_ends_it_anywhere(turns: int, acquisition: bool) -> None:
    bench = ZLutBench(ZLutSweep(), acquisition=acquisition)
    assert bench.sweep.cancel() == []
    bench.start(0, 100, 300, 3)
    for _ in range(turns):
        bench.turn()
    bench.do(bench.sweep.cancel())
    assert (bench.sweep.phase, bench.sweep.evaluation) == (P.IDLE, None)
    assert (bench.acquisition, bench.frozen, bench.last_capture()) == (acquisition, False, None) or turns == 0
    bench.turn()
    assert bench.sweep.phase is P.IDLE
    bench.start(0, 100, 300, 3)
    bench.run()
    assert bench.sweep.phase is P.EVALUATING


def test_saving_needs_a_folder_and_is_whole(tmp_path: Path) -> None:
    bench = ZLutBench(ZLutSweep())
    with pytest.raises(BadInput, match="a finished sweep"):
        bench.sweep.save(tmp_path / "z.txt")
    bench.start(0, 100, 300, 3)
    bench.run()
    with pytest.raises(BadInput, match="a folder that exists"):
        bench.sweep.save(tmp_path / "none" / "z.txt")
    (tmp_path / "taken").mkdir()
    with pytest.raises(WriteFailed, match="taken"):
        bench.sweep.save(tmp_path / "taken")
    assert bench.sweep.phase is P.EVALUATING
    bench.sweep.save(tmp_path / "3.txt", close=False)
    bench.sweep.select(7)
    bench.do(bench.sweep.save(tmp_path / "7.txt"))
    assert bench.phases[-1] is P.IDLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.txt", "7.txt", "taken"]
    assert np.allclose(ZLut.load(tmp_path / "7.txt").profiles, np.array([0, 100, 200, 300.0]) + 7)


def test_a_z_lut_made_here_finds_new_beads(bead: BeadImage, tmp_path: Path) -> None:
    """The whole loop: simulated optics and motor, our tracker, and the file in between."""
    roi, random = 64, np.random.default_rng(5)
    options = TrackingOptions.of("linear_bins")
    tracker = Tracker(options)
    places = {3: (31.2, 31.9), 7: (32.4, 30.8)}

    def images(bead_id: int, z: NDArray[np.float64]) -> NDArray[np.uint8]:
        xyz = np.column_stack([np.tile(places[bead_id], (len(z), 1)), np.clip(z, -9000, 9000)])
        return expose(bead.stack(xyz, roi), random)

    bench = ZLutBench(
        ZLutSweep(binning="linear"), lambda which, z: tracker.track(images(which, z)).profiles, bins=roi // 2
    )
    bench.start(-3000, 100, 3000, 4)
    bench.run()
    bench.sweep.select(7)
    bench.sweep.save(tmp_path / "z.txt")
    truth = random.uniform(-2500, 2500, 200)
    tracks = Tracker(options, ZLut.load(tmp_path / "z.txt")).track(images(3, truth))
    assert tracks.good.mean() > 0.98
    assert np.nanmedian(np.abs(tracks.z - truth)) < 10


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(-20000, 20000)), max_size=8),
    st.floats(0.01, 1000),
    st.floats(0, 100),
)
def test_a_motor_never_jumps(moves: list[tuple[float, float]], speed: float, later: float) -> None:
    motor, now = LinearMotion(speed=speed), 50.0
    for wait, target in moves:
        before = motor.position(now)
        now += wait
        after = motor.position(now)
        assert abs(after - before) <= speed * wait * (1 + 1e-9) + 1e-9
        assert motor.move(target, now) == motor.target == min(max(target, -10000), 10000)
        assert motor.position(now) == after
        assert motor.position(now - 1) == after
    arrival = now + motor.arrives_in(now)
    assert motor.position(arrival + 1e-6 * (1 + arrival)) == pytest.approx(motor.target, abs=1e-2)
    assert not motor.moving(arrival + 1 + later)
    assert motor.position(arrival + 1 + later) == motor.target


def test_a_motor_stops_changes_speed_and_refuses() -> None:
    motor = LinearMotion()
    motor.move(1000, 0)
    assert motor.position(5) == 500 and motor.moving(5)
    motor.set_speed(50, 5)
    assert motor.position(7) == 600
    motor.stop(7)
    assert (motor.position(99), motor.target, motor.moving(99)) == (600, 600, False)
    for wrong in (0.001, 1001, float("nan")):
        with pytest.raises(BadInput, match="motor speed"):
            motor.set_speed(wrong, 0)
    with pytest.raises(BadInput, match="motor target"):
        motor.move(float("nan"), 0)
    with pytest.raises(BadInput, match="motor limits"):
        LinearMotion(1, 1)
    with pytest.raises(BadInput, match="motor start"):
        LinearMotion(start=1e6)
