"""Rows that one process writes and others follow, and the profile that is looked at."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.scope.memory import LiveProfileBuffer, MatrixBuffer
from support.memory_children import fresh_name


@pytest.fixture
def matrix() -> Iterator[MatrixBuffer]:
    with MatrixBuffer(fresh_name(), True, (5, 2)) as buffer:
        yield buffer


def _rows(start: int, end: int) -> np.ndarray:
    return np.repeat(np.arange(start, end, dtype=float)[:, None], 2, axis=1)


@pytest.mark.parametrize("shape", [None, (0, 2), (5,), (3, -1)])
def test_what_cannot_be_made_is_named(shape: tuple[int, int] | None) -> None:
    with pytest.raises(ValueError, match="matrix buffer: shape"):
        MatrixBuffer(fresh_name(), True, shape)


def test_starts_with_nan_and_nothing_unread(matrix: MatrixBuffer) -> None:
    assert np.isnan(matrix.peak_unsorted()).all()
    assert np.isnan(matrix.peak_sorted()).all()
    assert matrix.peak_sorted().shape == (5, 2)
    assert matrix.read().shape == matrix.newest(3).shape == (0, 2)
    assert matrix.written == matrix.missed == 0


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)), np.zeros(3), np.zeros((1, 2, 2))])
def test_other_columns_are_refused(matrix: MatrixBuffer, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(n, 2\)"):
        matrix.write(wrong)
    assert matrix.written == 0


def test_rows_come_in_order_and_once(matrix: MatrixBuffer) -> None:
    matrix.write(_rows(0, 3))
    assert (matrix.read() == _rows(0, 3)).all()
    matrix.write([3.0, 3.0])
    matrix.write(_rows(4, 7))
    assert (matrix.read() == _rows(3, 7)).all()
    assert len(matrix.read()) == 0
    assert (matrix.peak_sorted() == _rows(2, 7)).all()
    assert matrix.peak_unsorted()[:, 0].tolist() == [5, 6, 2, 3, 4]
    assert (matrix.newest(2) == _rows(5, 7)).all()
    with pytest.raises(ValueError, match="read-only"):
        matrix.peak_unsorted()[0] = 1


def test_a_late_reader_gets_the_newest_and_the_count_of_the_rest(matrix: MatrixBuffer) -> None:
    with MatrixBuffer(matrix.name, False) as late:
        matrix.write(_rows(0, 4))
        matrix.write(_rows(4, 8))
        assert (late.read() == _rows(3, 8)).all()
        assert late.missed == 3
    with MatrixBuffer(matrix.name, False) as later:
        assert (later.read() == _rows(3, 8)).all()
        assert later.missed == 0  # what was gone before it came is not its loss
        later.position = 6
        assert (later.read() == _rows(6, 8)).all()


def test_more_rows_than_fit_keep_the_newest(matrix: MatrixBuffer) -> None:
    matrix.write(_rows(0, 2))
    matrix.write(_rows(2, 19))
    assert (matrix.read() == _rows(14, 19)).all()
    assert (matrix.missed, matrix.written) == (14, 19)


def test_during_a_write_the_other_rows_are_there(matrix: MatrixBuffer) -> None:
    matrix.write(_rows(0, 6))
    matrix._ring.begin(8)  # the writer is in the middle of two rows
    matrix._rows[6 % 5] = -1
    assert (matrix.newest(5) == _rows(3, 6)).all()
    assert (matrix.read() == _rows(3, 6)).all()
    assert np.isnan(matrix.peak_sorted()[:2]).all()
    matrix.write(_rows(6, 7))  # the next writer; the second place it had begun stays out
    assert (matrix.newest(5) == _rows(3, 7)).all()
    matrix.write(_rows(7, 8))
    assert (matrix.newest(5) == _rows(3, 8)).all()


_STEPS = st.lists(st.tuples(st.sampled_from(["write", "begin", "read", "newest"]), st.integers(0, 12)), max_size=30)


@settings(deadline=None, max_examples=150)
@given(_STEPS, st.integers(1, 6))
def test_against_a_list(steps: list[tuple[str, int]], capacity: int) -> None:
    with MatrixBuffer(fresh_name(), True, (capacity, 2)) as writer, MatrixBuffer(writer.name, False) as reader:
        written = begun = position = missed = 0
        for step, count in steps:
            whole = range(max(0, begun - capacity, written - capacity), written)
            if step == "write":
                writer.write(_rows(written, written + count))
                written += count
                begun = max(begun, written)
            elif step == "begin":  # a writer is killed here
                begun = max(begun, written + min(count, capacity))
                writer._ring.begin(begun)
                for row in range(written, begun):
                    writer._rows[row % capacity] = np.nan
            elif step == "read":
                rows = reader.read()
                assert rows[:, 0].tolist() == [row for row in whole if row >= position]
                missed += written - position - len(rows)
                position = written
                assert reader.missed == missed
            else:
                expected = [row for row in whole if row >= written - count]
                assert reader.newest(count)[:, 1].tolist() == expected
        assert reader.written == written


def test_cost_of_the_newest_rows_is_theirs() -> None:
    with MatrixBuffer(fresh_name(), True, (1_000_000, 7)) as buffer:
        buffer.write(np.ones((500, 7)))
        read: list[tuple[int, int]] = []
        places = buffer._places
        buffer._places = lambda start, stop: read.append((start, stop)) or places(start, stop)  # type: ignore[method-assign,func-returns-value]
        assert buffer.newest(100).shape == (100, 7)
        assert read == [(400, 500)]


def test_a_profile_is_shown_until_it_is_cleared() -> None:
    with LiveProfileBuffer(fresh_name(), True, 6) as writer, LiveProfileBuffer(writer.name, False) as viewer:
        assert viewer.capacity == 6
        assert viewer.get_profile() is None
        for turn in range(9):
            writer.write_profile(turn, 3, [1.0, np.nan, turn])
            shown = viewer.get_profile()
            assert shown is not None
            assert (shown.timestamp, shown.bead_id) == (turn, 3)
            np.testing.assert_array_equal(shown.profile, [1.0, np.nan, turn])
        with pytest.raises(ValueError, match="7 samples"):
            writer.write_profile(9, 3, np.zeros(7))
        writer._ring.begin(writer.written + 1)  # the writer is killed in the next
        assert viewer.get_profile() is not None
        writer.clear()
        assert viewer.get_profile() is None
    with pytest.raises(ValueError, match="capacity"):
        LiveProfileBuffer(fresh_name(), True)
