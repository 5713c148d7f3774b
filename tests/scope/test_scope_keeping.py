"""What a scope takes from the machine and the user's preferences, and what it keeps there."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest

from opticstream.core.errors import BadInput
from opticstream.scope import MagScope, MagScopeSettings
from opticstream.scope.commands.showing import UpdateValueCommand
from opticstream.scope.commands.video import LoadZLUTCommand, SetTrackingOptionsCommand, UnloadZLUTCommand
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.memory.free_memory import free_memory
from opticstream.scope.processing.zlut_in_use import ZLutInUse
from opticstream.scope.settings import ScopePreferences
from opticstream.scope.tracking import TrackingOptions, ZLut
from support.running_scope import make_scope, running
from support.waiting import until


@pytest.fixture
def preferences(home: Path) -> ScopePreferences:
    home.mkdir()
    return ScopePreferences.load()


def zlut(path: Path, bins: int = 25, binning: str = "linear") -> str:
    ZLut(np.arange(4.0), np.random.default_rng(1).random((bins, 4)), binning).save(path)  # type: ignore[arg-type]
    return str(path)


def chosen(scope: MagScope, command: object) -> None:
    scope._keep_choice(command)


def test_buffers_that_do_not_fit_are_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images = free_memory() // (512 * 256) + 1
    scope = make_scope(name="large", settings={"video buffer n images": images})
    with pytest.raises(ValueError, match=r"buffers of the scope: .* Lower 'video buffer n images'"):
        scope.start()
    assert not scope.outcome.succeeded and list(tmp_path.iterdir()) == []


def test_what_was_made_is_removed_when_the_rest_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scope = make_scope(name="greedy")
    motor = SimulatedFocusMotor()
    motor.buffer_shape = (free_memory(), 2)
    scope.add_hardware(motor)
    with pytest.raises(MemoryError, match="shared memory"):
        scope.start()
    assert scope.over.is_set() and list(tmp_path.iterdir()) == []


def test_a_loaded_zlut_is_there_the_next_time(tmp_path: Path, preferences: ScopePreferences) -> None:
    scope = MagScope(name="first", settings=MagScopeSettings())
    scope.preferences = preferences
    path = str(tmp_path / "z.txt")
    chosen(scope, UpdateValueCommand("zlut", {"path": path}))  # nobody asked for it: the simulated camera's
    chosen(scope, LoadZLUTCommand(path))
    chosen(scope, UpdateValueCommand("zlut", None))  # it could not be used
    assert ScopePreferences.load().last_z_lut is None
    chosen(scope, LoadZLUTCommand(path))
    chosen(scope, UpdateValueCommand("zlut", {"path": path, "bins": 25}))
    assert ScopePreferences.load().last_z_lut == Path(path)

    def begins_with(**changes: object) -> str | None:
        second = MagScope(name="second", settings=MagScopeSettings())
        second.preferences = ScopePreferences.load()
        for name, value in changes.items():
            setattr(second, name, value)
        second._take_last_zlut()
        return second.video_processor_manager.zlut_path

    assert begins_with() == path
    assert begins_with(begins_with_last_zlut=False) is None
    assert begins_with(preferences=None) is None
    chosen(scope, UnloadZLUTCommand())
    assert begins_with() is None and ScopePreferences.load().last_z_lut == Path(path)


def test_how_beads_are_tracked_is_kept(preferences: ScopePreferences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MagScope, "_unnamed", None)
    first = MagScope()
    options = TrackingOptions.of("linear_bins")
    chosen(first, SetTrackingOptionsCommand({"mode": "best"}))
    assert not ScopePreferences.load().tracking_chosen
    chosen(first, SetTrackingOptionsCommand(options.model_dump(by_alias=True)))
    monkeypatch.setattr(MagScope, "_unnamed", None)
    assert MagScope().video_processor_manager.tracking_options == options
    assert ScopePreferences.load().tracking_chosen


def test_a_preference_that_cannot_be_kept_is_said(home: Path) -> None:
    scope = MagScope(name="no file", settings=MagScopeSettings())
    said = []
    scope._show = said.append
    scope.preferences = ScopePreferences.load()
    home.write_text("a file where the folder should be")
    chosen(scope, UnloadZLUTCommand())
    assert ["scope.yaml" in one.details for one in said] == [True]


def test_a_zlut_that_does_not_fit_is_said_once_and_used_again(tmp_path: Path) -> None:
    found = ZLutInUse()
    said: list[tuple[str, str]] = []
    linear, rounded = TrackingOptions.of("linear_bins"), TrackingOptions.of("magtrack")

    def fits(options: TrackingOptions, roi: int) -> bool:
        return found.fitting(options, roi, lambda *texts: said.append(texts)) is not None

    assert not fits(linear, 50) and found.shown() is None
    found.load(zlut(tmp_path / "z.txt"))
    assert fits(linear, 50) and said == []
    assert not fits(linear, 64) and not fits(linear, 64) and len(said) == 1 and "64 px" in said[0][1]
    assert fits(linear, 50)
    assert not fits(rounded, 50) and "mode magtrack" in said[1][1]
    assert found.shown() == {"path": str(tmp_path / "z.txt"), "z_min_nm": 0.0, "z_max_nm": 3.0, "bins": 25}
    with pytest.raises(BadInput, match=r"nope\.txt"):
        found.load(str(tmp_path / "nope.txt"))
    assert found.path is None and not fits(linear, 50)


def test_a_running_scope_says_what_it_cannot_take(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scope = make_scope()
    scope.video_processor_manager.zlut_path = zlut(tmp_path / "z.txt", binning="linear")  # the mode is magtrack
    with running(scope), caplog.at_level(logging.WARNING):
        until(lambda: scope.shared_values.frames_tracked.value > 0, "tracks without heights")
        scope.settings = {**scope.settings, "video processors n": 1, "magnification": 2}
        until(lambda: any("'video processors n'" in text for _, text, _ in scope.problems), "it is said")
        assert scope.settings["magnification"] == 2
    texts = [text for _, text, _ in scope.problems]
    assert texts == [
        "heights are unknown: the Z-LUT does not fit",
        "'video processors n': cannot change while the scope runs; set it for the next one",
    ]
    assert texts[1] in caplog.text
