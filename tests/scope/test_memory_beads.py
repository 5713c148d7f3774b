"""Where the beads are, and what a sweep of the focus collects."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.scope.memory import (
    BeadRoiBuffer,
    BufferOverflow,
    DatasetNotReadyError,
    MatrixBuffer,
    SegmentExists,
    SweepState,
    ZLUTSweepDataset,
)
from support.memory_children import LONG_S, append_row, child, fresh_name


@pytest.fixture
def beads() -> Iterator[BeadRoiBuffer]:
    with BeadRoiBuffer(fresh_name(), True) as buffer:
        yield buffer


def _table(buffer: BeadRoiBuffer) -> dict[int, list[int]]:
    ids, rois = buffer.get_beads()
    assert (ids.dtype, rois.dtype, rois.shape) == (np.uint32, np.uint32, (len(ids), 4))
    return dict(zip(ids.tolist(), rois.tolist(), strict=True))


def test_each_change_is_a_version(beads: BeadRoiBuffer) -> None:
    assert (beads.version, beads.active_count, beads.get_next_available_bead_id()) == (0, 0, 0)
    beads.add_beads({4: (1, 2, 3, 4), 1: [0, 50, 0, 50]})
    beads.update_beads({1: (5, 55, 5, 55)})
    assert _table(beads) == {1: [5, 55, 5, 55], 4: [1, 2, 3, 4]}
    beads.remove_beads([4, 9])
    assert (beads.version, beads.active_count, beads.get_next_available_bead_id()) == (3, 1, 5)
    beads.replace_beads({7: (0, 1, 0, 1), 2: (0, 2, 0, 2)})
    assert beads.reorder_beads() == {2: 0, 7: 1}
    assert _table(beads) == {0: [0, 2, 0, 2], 1: [0, 1, 0, 1]}
    assert beads.get_next_available_bead_id() == 2
    beads.clear_beads()
    assert (_table(beads), beads.version, beads.get_next_available_bead_id()) == ({}, 6, 2)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("add_beads", {1: (0, 1, 0, 1)}),
        ("update_beads", {2: (0, 1, 0, 1)}),
        ("add_beads", {2: (0, 1, 0, 1), 10000: (0, 1, 0, 1)}),
        ("replace_beads", {-1: (0, 1, 0, 1)}),
        ("replace_beads", {0: (0, 1, 0)}),
        ("replace_beads", {0: (0, 1, 0, -1)}),
        ("replace_beads", {0: (0, 1, 0, 2**32)}),
        ("update_beads", {1: (0, 1, 0, float("nan"))}),
        ("replace_beads", {0: ("a", "b", "c", "d")}),
        ("remove_beads", [10000]),
    ],
)
def test_a_refused_change_changes_nothing(beads: BeadRoiBuffer, method: str, wrong: object) -> None:
    beads.add_beads({1: (1, 2, 3, 4)})
    with pytest.raises(ValueError, match="bead"):
        getattr(beads, method)(wrong)
    assert (_table(beads), beads.version) == ({1: [1, 2, 3, 4]}, 1)


def test_ids_run_out_and_reordering_frees_them(beads: BeadRoiBuffer) -> None:
    beads.add_beads({beads.CAPACITY - 1: (0, 1, 0, 1)})
    with pytest.raises(ValueError, match="reorder_beads"):
        beads.get_next_available_bead_id()
    beads.reorder_beads()
    assert beads.get_next_available_bead_id() == 1


def test_it_can_be_full(beads: BeadRoiBuffer) -> None:
    beads.replace_beads({bead: (bead, bead + 1, 0, 1) for bead in range(beads.CAPACITY)})
    ids, rois = beads.get_beads()
    assert (ids == np.arange(10000)).all()
    assert (rois[:, 0] == ids).all()


_IDS = st.lists(st.integers(0, 12), max_size=5, unique=True)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["add", "update", "remove", "replace", "clear", "reorder"]), _IDS)))
def test_against_a_dictionary(steps: list[tuple[str, list[int]]]) -> None:
    table: dict[int, list[int]] = {}
    following = 0
    with BeadRoiBuffer(fresh_name(), True) as buffer, BeadRoiBuffer(buffer.name, False) as reader:
        for turn, (step, ids) in enumerate(steps):
            given_beads = {bead: [turn, turn + 1, bead, bead + 1] for bead in ids}
            if step in ("clear", "reorder"):
                renamed = getattr(buffer, f"{step}_beads")()
                table = {} if step == "clear" else {renamed[old]: roi for old, roi in table.items()}
                following = following if step == "clear" else len(table)
            elif step == "remove":
                buffer.remove_beads(ids)
                table = {bead: roi for bead, roi in table.items() if bead not in ids}
            elif step == "replace":
                buffer.replace_beads(given_beads)
                table = given_beads
            else:
                try:
                    getattr(buffer, f"{step}_beads")(given_beads)
                except ValueError:
                    assert any((bead in table) is (step == "add") for bead in ids)
                else:
                    assert all((bead in table) is (step == "update") for bead in ids)
                    table |= given_beads
            following = max([following, *(bead + 1 for bead in table)])
            assert _table(reader) == dict(sorted(table.items()))
            assert reader.get_next_available_bead_id() == following


@pytest.fixture
def sweep() -> Iterator[ZLUTSweepDataset]:
    with ZLUTSweepDataset(fresh_name(), True, capacity=4, profile_length=3) as dataset:
        yield dataset


def test_rows_are_appended_and_never_overwritten(sweep: ZLUTSweepDataset) -> None:
    assert sweep.state is SweepState.READY
    with ZLUTSweepDataset(sweep.name, False) as appender:
        assert (appender.capacity, appender.profile_length) == (4, 3)
        appender.append([1, 2], 0, 10.0, -5.0, [1, 0], [[1, 2, np.nan], [7, 8, 9]])
        with pytest.raises(BufferOverflow, match="5 rows; expected 4 at most"):
            appender.append([1, 1, 1], 1, 10.0, -5.0, 1, np.zeros((3, 3)))
        assert appender.count == 2
        appender.append(1, 0, 11.0, -7.0, 1, [3, 4, np.nan])
        appender.append(1, 3, 12.0, 2.0, 1, [5, 5, 5])
    rows = sweep.peak()
    assert rows.bead_ids.tolist() == [1, 2, 1, 1]
    assert rows.valid.tolist() == [1, 0, 1, 1]
    assert rows.timestamps.tolist() == [10, 10, 11, 12]
    assert (rows.bead_ids.dtype, rows.steps.dtype, rows.valid.dtype) == (np.uint32, np.uint32, np.uint8)
    z, profiles = sweep.read_preview(1)
    assert z.tolist() == [-6, 2]
    np.testing.assert_array_equal(profiles, [[2, 3, np.nan], [5, 5, 5]])
    assert sweep.read_preview(2)[1].shape == (0, 3)  # its only row is not valid


@pytest.mark.parametrize(("ids", "profiles"), [([1, 2], [[1, 2, 3]]), (1, [1, 2]), ([], [[1, 2, 3]])])
def test_columns_that_do_not_fit_are_refused(sweep: ZLUTSweepDataset, ids: object, profiles: object) -> None:
    with pytest.raises(ValueError, match="Z-LUT sweep"):
        sweep.append(ids, 0, 0.0, 0.0, 1, profiles)  # type: ignore[arg-type]
    assert sweep.count == 0


@pytest.mark.parametrize("state", list(SweepState))
def test_it_is_attached_only_when_ready(sweep: ZLUTSweepDataset, state: SweepState) -> None:
    sweep.state = state
    assert ZLUTSweepDataset.state_of(sweep.name) is state
    if state in (SweepState.READY, SweepState.CAPTURING, SweepState.COMPLETE):
        ZLUTSweepDataset(sweep.name, False).close()
    else:
        with pytest.raises(DatasetNotReadyError, match=f"found {state.name}"):
            ZLUTSweepDataset(sweep.name, False)
    if state not in (SweepState.READY, SweepState.CAPTURING):
        with pytest.raises(DatasetNotReadyError):
            sweep.append(1, 0, 0.0, 0.0, 1, np.zeros(3))


def test_only_the_creator_destroys(sweep: ZLUTSweepDataset) -> None:
    with ZLUTSweepDataset(sweep.name, False) as attached:
        with pytest.raises(DatasetNotReadyError, match="only attached"):
            attached.destroy()
        with pytest.raises(DatasetNotReadyError, match="only attached"):
            attached.state = SweepState.COMPLETE
        sweep.destroy()
        sweep.destroy()
        assert attached.state is SweepState.DESTROYED
        assert ZLUTSweepDataset.state_of(sweep.name) is SweepState.ABSENT
        with pytest.raises(DatasetNotReadyError, match="found ABSENT"):
            ZLUTSweepDataset(sweep.name, False)


def test_another_appender_goes_on(sweep: ZLUTSweepDataset) -> None:
    for bead in (5, 6):
        with child(append_row, sweep, bead) as process:
            process.join(LONG_S)
            assert process.exitcode == 0
    assert sweep.peak().bead_ids.tolist() == [5, 6]


def test_other_kinds_and_versions_are_told_apart(beads: BeadRoiBuffer, sweep: ZLUTSweepDataset) -> None:
    with pytest.raises(ValueError, match="expected a MatrixBuffer"):
        MatrixBuffer(beads.name, False)
    with pytest.raises(SegmentExists, match="a name of its own"):
        BeadRoiBuffer(beads.name, True)
    sweep._open(sweep.name, create=False)
    sweep._SCHEMA = 2  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"schema 1; expected a ZLUTSweepDataset, kind .*, schema 2"):
        sweep._open(sweep.name, create=False)
    sweep.created = True
