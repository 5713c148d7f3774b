"""The board of beads: regions stay inside, ids are given once, a refused change changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opticstream.core.errors import BadFile, BadInput
from opticstream.scope.beads import CAPACITY, BeadBoard, read_bead_file


def test_a_bead_is_in_the_middle_of_its_region() -> None:
    board = BeadBoard(100, 80, 10)
    change = board.add([[4.5, 4.5], [50, 40.2], [94.5, 74.5]])
    assert (change.why, change.ids.tolist()) == ("added", [0, 1, 2])
    assert change.rois.tolist() == [[0, 10, 0, 10], [46, 56, 36, 46], [90, 100, 70, 80]]
    assert change.rois.dtype == change.ids.dtype == np.uint32
    assert board.add((20, 20)).ids.tolist() == [3]
    assert board.rois[3] == (16, 26, 16, 26)
    assert 3 in board
    assert len(board) == 4


@pytest.mark.parametrize(
    "places", [[[50, 50], [3.9, 50]], [[50, 76]], [[np.nan, 50]], [[1, 2, 3]], [50], [[1e300, 0]], [[-1, 50]]]
)
def test_a_region_that_leaves_the_image_is_a_value_error_and_adds_none(places: Any) -> None:
    board = BeadBoard(100, 80, 10)
    with pytest.raises(ValueError, match="bead"):
        board.add(places)
    assert len(board) == board.next_id == 0


def test_an_id_is_never_given_twice_until_beads_are_renumbered() -> None:
    board = BeadBoard(100, 80, 10)
    board.add([[20, 20], [40, 20], [60, 20]])
    assert board.remove([2, 7, 0]).ids.tolist() == [0, 2]
    assert board.add((70, 70)).ids.tolist() == [3]
    former = board.rois
    change = board.reorder()
    assert change.renumbered == {1: 0, 3: 1}
    assert change.ids.tolist() == [0, 1]
    assert change.rois.tolist() == [list(former[1]), list(former[3])]
    assert board.next_id == 2
    assert board.clear().ids.tolist() == [0, 1]
    assert board.next_id == 2
    assert not board.clear()
    assert board.reorder().renumbered == {}
    assert board.next_id == 0


def test_moves_end_at_the_edge_and_pass_over_beads_that_are_gone() -> None:
    board = BeadBoard(100, 80, 10)
    board.add([[20, 20], [90, 70], [50, 50]])
    change = board.move([(0, -3, 4), (1, 50, 50), (9, 1, 1), (2, 0, 0)])
    assert change.ids.tolist() == [0, 1]
    assert change.rois.tolist() == [[13, 23, 20, 30], [90, 100, 70, 80]]
    assert not board.move([(1, 1, 0)])
    with pytest.raises(ValueError, match="move of bead 0"):
        board.move([(2, 1, 1), (0, 0.5, 0)])  # type: ignore[list-item]
    assert board.rois[2] == (46, 56, 46, 56)


def test_regions_can_be_given() -> None:
    board = BeadBoard(100, 80, 10)
    board.add([[20, 20], [40, 20]])
    assert board.update({1: [0, 10, 70, 80]}).rois.tolist() == [[0, 10, 70, 80]]
    for bad in ([0, 10, 71, 81], [-1, 9, 0, 10], [0, 12, 0, 12], [0, 10, 0, 8], [0, 10], [0.0, 10.0, 0.0, 10.0], "x"):
        with pytest.raises(ValueError, match="region of bead 1"):
            board.update({0: [5, 15, 5, 15], 1: bad})
    with pytest.raises(ValueError, match="bead 2"):
        board.update({0: [5, 15, 5, 15], 2: [0, 10, 0, 10]})
    assert board.rois[0] == (16, 26, 16, 26)


def test_random_beads_repeat_by_seed_and_touch_no_other() -> None:
    one, two = BeadBoard(512, 256, 50), BeadBoard(512, 256, 50)
    for board in (one, two):
        board.add([[100, 100], [300.2, 90]])
        assert board.add_random(10, seed=5).note == ""
    assert one.rois == two.rois
    corners = np.array([(x0, y0) for x0, _, y0, _ in one.rois.values()])
    apart = np.abs(corners[:, None] - corners).max(axis=2)
    np.fill_diagonal(apart, 50)
    assert apart.min() >= 50
    other = BeadBoard(512, 256, 50)
    other.add_random(10, seed=6)
    assert other.rois != one.rois
    with pytest.raises(ValueError, match="random beads"):
        other.add_random(-1)


def test_random_beads_fill_what_room_there_is_and_say_so() -> None:
    board = BeadBoard(100, 50, 50)
    board.add((74.5, 24.5))
    change = board.add_random(3, seed=0)
    assert change.rois.tolist() == [[0, 50, 0, 50]]
    assert change.note == "1 of 3 random beads found room"
    assert board.add_random(1, seed=0).note == "0 of 1 random beads found room"


def test_regions_that_fill_the_image_touch_at_most() -> None:
    for seed in range(30):
        board = BeadBoard(40, 30, 8)
        board.add_random(30, seed)
        covered = np.zeros((30, 40), int)
        for x0, x1, y0, y1 in board.rois.values():
            covered[y0:y1, x0:x1] += 1
        assert covered.max() == 1
        assert len(board) >= 4
        assert board.add_random(1, seed).note


def test_ids_end_at_the_capacity() -> None:
    board = BeadBoard(100, 80, 10)
    board.add(np.full((CAPACITY, 2), 40.0))
    board.remove(range(1, CAPACITY))
    for act in (lambda: board.add((40, 40)), lambda: board.add_random(1)):
        with pytest.raises(ValueError, match="number the 1 left anew"):
            act()
    board.reorder()
    assert board.add((40, 40)).ids.tolist() == [1]


def test_another_size_removes_all_beads() -> None:
    board = BeadBoard(100, 80, 10)
    board.add([[20, 20], [40, 20]])
    assert not board.set_roi(10)
    with pytest.raises(ValueError, match="ROI"):
        board.set_roi(82)
    change = board.set_roi(20)
    assert (change.why, change.ids.tolist(), len(board), board.roi) == ("cleared", [0, 1], 0, 20)
    for bad in (7, 9, 258, "x", 10.5):
        with pytest.raises(ValueError, match="ROI"):
            BeadBoard(600, 600, bad)  # type: ignore[arg-type]


def test_nothing_changes_while_frozen() -> None:
    board = BeadBoard(100, 80, 10)
    board.add((20, 20))
    board.freeze("a Z-LUT is generated")
    acts: list[Any] = [
        lambda: board.add((40, 40)),
        lambda: board.add_random(1),
        lambda: board.move([(0, 1, 1)]),
        lambda: board.update({0: [0, 10, 0, 10]}),
        lambda: board.remove([0]),
        board.clear,
        board.reorder,
        lambda: board.set_roi(20),
    ]
    for act in acts:
        with pytest.raises(BadInput, match="a Z-LUT is generated"):
            act()
    assert board.rois == {0: (16, 26, 16, 26)}
    board.thaw()
    assert board.move([(0, 1, 1)])


class Boards(RuleBasedStateMachine):
    """What is told of the changes, put together, is what the board holds."""

    def __init__(self) -> None:
        super().__init__()
        self.board = BeadBoard(60, 40, 16)
        self.told: dict[int, tuple[int, ...]] = {}
        self.highest = -1

    def hear(self, change: Any) -> None:
        regions = dict(zip(change.ids.tolist(), map(tuple, change.rois.tolist()), strict=True))
        if change.why == "renumbered":
            assert sorted(change.renumbered) == sorted(self.told)
            assert {change.renumbered[old]: region for old, region in self.told.items()} == regions
            self.told, self.highest = regions, len(regions) - 1
        elif change.why in {"removed", "cleared"}:
            for bead, region in regions.items():
                assert self.told.pop(bead) == region
        else:
            if change.why == "added":
                assert all(bead > self.highest for bead in regions)
                self.highest = max(self.highest, *regions, -1)
            self.told.update(regions)

    @rule(x=st.floats(-5, 65), y=st.floats(-5, 45))
    def add(self, x: float, y: float) -> None:
        try:
            self.hear(self.board.add((x, y)))
        except ValueError:
            half = self.board.roi / 2
            assert not (half <= x <= 60 - 1 - half and half <= y <= 40 - 1 - half)

    @rule(count=st.integers(0, 3), seed=st.integers(0, 99))
    def add_random(self, count: int, seed: int) -> None:
        self.hear(self.board.add_random(count, seed))

    @rule(moves=st.lists(st.tuples(st.integers(0, 9), st.integers(-30, 30), st.integers(-30, 30))))
    def move(self, moves: list[tuple[int, int, int]]) -> None:
        self.hear(self.board.move(moves))

    @rule(beads=st.sets(st.integers(0, 9)))
    def remove(self, beads: set[int]) -> None:
        self.hear(self.board.remove(beads))

    @rule()
    def reorder(self) -> None:
        self.hear(self.board.reorder())

    @rule(roi=st.sampled_from([8, 16, 40]))
    def set_roi(self, roi: int) -> None:
        self.hear(self.board.set_roi(roi))

    @invariant()
    def holds_what_was_told(self) -> None:
        assert self.board.rois == self.told
        assert self.board.next_id == self.highest + 1
        ids, rois = self.board.arrays()
        assert ids.tolist() == sorted(self.told)
        for x0, x1, y0, y1 in rois.tolist():
            assert x1 - x0 == y1 - y0 == self.board.roi
            assert 0 <= x0 <= x1 <= 60
            assert 0 <= y0 <= y1 <= 40


TestBoards = Boards.TestCase
TestBoards.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("b.csv", "1,2\n3.5,4\n"),
        ("b.CSV", "\ufeffy,name,x\n2,a,1\n\n# none\n4,b,3.5\n"),
        ("b.json", "[[1, 2], [3.5, 4]]"),
        ("b.json", '{"beads": [{"x": 1, "y": 2, "z": 0}, {"x": 3.5, "y": 4}]}'),
        ("b.yaml", "beads:\n- [1, 2]\n- {x: 3.5, y: 4}\n"),
        ("b.yml", "- [1, 2]\n- ['3.5', 4]\n"),
    ],
)
def test_beads_of_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert read_bead_file(tmp_path / name).tolist() == [[1, 2], [3.5, 4]]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("b.csv", "1,2\n3\n", "b.csv:2"),
        ("b.csv", "x,y\n1,two\n", "b.csv:2"),
        ("b.csv", "1,nan\n", "b.csv:1"),
        ("b.json", "[[1, 2], 3]", "bead 1"),
        ("b.json", "[[1, true]]", "bead 0"),
        ("b.json", '[{"x": 1}]', "bead 0"),
        ("b.json", "{", "b.json"),
        ("b.yaml", "beads: 5", "b.yaml"),
        ("b.yaml", "", "b.yaml"),
        ("b.txt", "1,2", "b.txt"),
        ("absent.csv", None, "absent.csv"),
        ("b.csv", "1,2,3\n4\n", "b.csv:2"),
    ],
)
def test_a_bead_file_that_cannot_be_used_says_where(tmp_path: Path, name: str, text: str | None, where: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(BadFile) as caught:
        read_bead_file(tmp_path / name)
    assert where in str(caught.value)
