"""The interface without a window: panels, plots, and what is said to the user."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.scope.ui import (
    ControlPanelBase,
    PlotSeries,
    TimeSeriesPlotBase,
    TracksPlot,
    UiState,
    newest_seconds,
    render_plot,
    strokes_of,
)
from opticstream.scope.ui.ui_state import NoteLevel

BLUE, ORANGE = (31, 119, 180), (214, 95, 14)


class Laser(ControlPanelBase):
    def __init__(self, manager: Any) -> None:
        super().__init__(manager, "Laser")
        self.turns = 0

    def update(self) -> None:
        self.turns += 1
        self.set_value("power", self.turns * 1.5, "mW")


def test_a_panel_shows_named_values() -> None:
    panel = Laser("the manager")
    panel.set_value("state", "on")
    panel.update()
    panel.update()
    assert (panel.manager, panel.collapsed_by_default) == ("the manager", False)
    assert panel.lines() == ["Laser", "state: on", "power: 3.0 mW"]
    assert panel.values["power"] == (3.0, "mW")
    panel.remove_value("state")
    panel.remove_value("state")
    assert list(panel.values) == ["power"]
    ControlPanelBase(None, "plain").update()
    with pytest.raises(BadInput, match="title"):
        ControlPanelBase(None, " ")


class Force(TimeSeriesPlotBase):
    def __init__(self) -> None:
        super().__init__("Magnet", "Force (pN)")

    def transform(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows[:, 2] ** 2


def test_a_plot_turns_rows_into_times_and_values() -> None:
    rows = np.array([[3, 0, 2], [np.nan] * 3, [1, 0, 4], [2, 0, np.nan]])
    t, y = Force().get_data(rows)
    assert t.tolist() == [1, 2, 3]
    assert np.array_equal(y, [16, np.nan, 4], equal_nan=True)
    assert TimeSeriesPlotBase("Motor", "Z (nm)").get_data([[1, 5], [2, 6]])[1].tolist() == [5, 6]
    assert [len(part) for part in Force().get_data(np.full((4, 3), np.nan))] == [0, 0]
    for wrong in (np.zeros(3), np.zeros((3, 1))):
        with pytest.raises(BadInput, match="Magnet"):
            Force().get_data(wrong)
    with pytest.raises(BadInput, match="ylabel"):
        TimeSeriesPlotBase("Magnet", "")

    class Wrong(Force):
        def transform(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
            return rows

    with pytest.raises(BadInput, match=r"Wrong\.transform"):
        Wrong().get_data(rows)


def test_tracks_are_plotted_against_the_reference_at_equal_times() -> None:
    rows = np.full((8, 7), np.nan)  # as the buffer lies in memory: wrapped around, partly unwritten
    for index, row in enumerate(
        [
            (2, 20, 5, 900, 1),
            (2, 3, 1, 700, 4),
            (3, 31, 5, 910, 1),
            (1, 10, 5, np.nan, 1),
            (1, 2, 1, 710, 4),
            (9, 9, 9, 9, 4),
        ]
    ):
        rows[index, :5] = row
    plots = {axis: TracksPlot(axis) for axis in "xyz"}
    for plot in plots.values():
        plot.selected_bead = 1
    t, x = plots["x"].get_data(rows)
    assert (t.tolist(), x.tolist()) == ([1, 2, 3], [10, 20, 31])
    for plot in plots.values():
        plot.reference_bead = 4
    assert [part.tolist() for part in plots["x"].get_data(rows)] == [[1, 2], [8, 17]]
    assert plots["y"].get_data(rows)[1].tolist() == [4, 4]
    t, z = plots["z"].get_data(rows)
    assert np.array_equal(z, [np.nan, -200], equal_nan=True)
    assert [plot.ylabel for plot in plots.values()] == ["X (nm)", "Y (nm)", "Z (nm)"]
    with pytest.raises(BadInput, match="x, y or z"):
        TracksPlot("t")
    with pytest.raises(BadInput, match=r"\(n, 7\)"):
        plots["x"].get_data(np.zeros((2, 4)))
    t, y = newest_seconds(np.arange(10.0), np.arange(10.0) * 2, 2.5)
    assert (t.tolist(), y.tolist()) == ([7, 8, 9], [14, 16, 18])
    assert len(newest_seconds(np.zeros(0), np.zeros(0), 1)[0]) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5) | st.just(float("nan"))), max_size=40))
def test_lines_lose_no_extreme_and_end_at_gaps(points: list[tuple[int, float]]) -> None:
    columns = np.array(sorted(x for x, _ in points), np.int64)
    values = np.array([y for _, y in points], np.float64)
    strokes = strokes_of(columns, values)
    drawn = [point for stroke in strokes for point in stroke]
    for column in set(columns.tolist()):
        own = values[(columns == column) & np.isfinite(values)]
        there = [y for x, y in drawn if x == column]
        assert (min(there, default=None), max(there, default=None)) == (min(own, default=None), max(own, default=None))
    finite = np.isfinite(values)
    assert len(strokes) == int(finite[:1].sum() + (finite[1:] & ~finite[:-1]).sum())
    assert all(stroke and [x for x, _ in stroke] == sorted(x for x, _ in stroke) for stroke in strokes)


def _pixels(path: Path, colour: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return rows and columns of the pixels of a colour within the plots."""
    with Image.open(path) as picture:
        image = np.asarray(picture.convert("RGB"), np.int64)
    near = (np.abs(image - colour) < 30).all(axis=2)
    near[:70], near[:, :84], near[:, 977:] = False, False, False
    return np.argwhere(near)


def test_the_picture_has_the_curves_where_they_belong(tmp_path: Path) -> None:
    t = 1.7e9 + np.arange(0, 100, 0.1)
    rising = PlotSeries("bead 1", "Z (nm)", t, np.linspace(-300, 300, len(t)))
    gap = np.where((t - t[0] > 40) & (t - t[0] < 60), np.nan, 5.0)
    render_plot([rising, PlotSeries("bead 2", "X (nm)", t, gap)], tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1000, 450))
    found = _pixels(tmp_path / "plot.png", BLUE)
    upper, lower = found[found[:, 0] < 220], found[found[:, 0] > 266]
    assert len(set(upper[:, 1].tolist())) > 850
    assert upper[upper[:, 1] < 120][:, 0].min() > upper[upper[:, 1] > 940][:, 0].max(), "it rises"
    middle = (lower[:, 1] > 84 + 0.42 * 891) & (lower[:, 1] < 84 + 0.58 * 891)
    assert not middle.any() and len(lower) > 500, "nothing is drawn where nothing was measured"
    render_plot([rising, PlotSeries("bead 2", "Z (nm)", t, -rising.t)], tmp_path / "two.png", (400, 300))
    assert len(_pixels(tmp_path / "two.png", ORANGE)), "two beads share a panel in two colours"
    with Image.open(tmp_path / "two.png") as picture:
        assert picture.size == (400, 300)


@pytest.mark.parametrize(
    "values", [[5.0], [5.0, 5.0], [1e9, 1e9 + 1e-3], [0.0, 0.0], [float("nan"), -1e-12], [1e30, -1e30]]
)
def test_any_values_can_be_drawn(tmp_path: Path, values: list[float]) -> None:
    render_plot([PlotSeries("bead", "Z (nm)", np.arange(len(values)), values)], tmp_path / "plot.png")
    assert len(_pixels(tmp_path / "plot.png", BLUE))


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    for series, said in (
        ([], "no values"),
        ([PlotSeries("a", "Z", [], [])], "no values"),
        ([PlotSeries("a", "Z", [1, 2], [1])], "plot of a"),
        ([PlotSeries("a", "Z", [2, 1], [1, 1])], "rising"),
    ):
        with pytest.raises(BadInput, match=said):
            render_plot(series, path)  # type: ignore[arg-type]
    fine = PlotSeries("a", "Z", [1, 2], [float("nan")] * 2)
    with pytest.raises(BadInput, match="360 x"):
        render_plot([fine], path, (100, 100))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(WriteFailed, match="folder"):
        render_plot([fine], tmp_path / "folder.png")
    assert [each.name for each in tmp_path.iterdir()] == ["folder.png"]
    render_plot([fine], path)  # says that there are no data
    assert path.exists()


def test_the_newest_value_of_each_field_is_kept() -> None:
    state = UiState(most_notes=3, most_values=2)
    state.set("a", 1, 10.0)
    state.set("b", 2, 11.0)
    state.set("a", 3, 12.0)
    state.set("c", 4, 13.0)
    assert (state.value("a"), state.value("b", "gone"), state.values["c"].time) == (3, "gone", 13.0)
    for number in range(5):
        state.note("warning", f"warning {number}", number)
    state.note("error", "bad", 2.5, "details")
    state.note("error", "bad", 2.7, "details")
    state.note("message", "x" * 99999, 9)
    notes = state.notes()
    assert [note.text[:9] for note in notes] == ["warning 2", "bad", "warning 3", "warning 4", "x" * 9]
    (error,) = state.notes("error")
    assert (error.count, error.time, error.last, error.details) == (2, 2.5, 2.7, "details")
    assert len(notes[-1].text) == 10_000
    assert state.version == 12


@given(st.lists(st.tuples(st.sampled_from(["message", "warning", "error"]), st.sampled_from("ab")), max_size=60))
def test_notes_are_bounded_and_none_is_uncounted_while_it_stays(said: list[tuple[NoteLevel, str]]) -> None:
    state = UiState(most_notes=4)
    for now, (level, text) in enumerate(said):
        state.note(level, text, now)
    for level in ("message", "warning", "error"):
        notes = state.notes(level)  # type: ignore[arg-type]
        own = [text for name, text in said if name == level]
        newest = [text for note in notes for text in [note.text] * note.count]
        assert len(notes) <= 4 and newest == own[len(own) - len(newest) :]
