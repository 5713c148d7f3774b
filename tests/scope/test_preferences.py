"""Preferences: defaults, then the user's file, then the environment; a damaged file stops nobody."""

import logging
import os
from pathlib import Path

import pytest
import yaml

from opticstream.core.errors import BadInput, WriteFailed
from opticstream.scope.settings import MagScopeSettings, PreferencesBundle, ScopePreferences, preferences_place
from opticstream.scope.tracking import TrackingOptions


@pytest.fixture
def place(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("OPTICSTREAM_SCOPE__")]:
        monkeypatch.delenv(name)
    home.mkdir()
    return home / "scope.yaml"


def test_the_file_is_in_the_home_if_that_was_moved(place: Path) -> None:
    assert preferences_place() == place
    preferences = ScopePreferences.load()
    assert preferences.place == place
    assert preferences.settings == MagScopeSettings()
    assert preferences.tracking == TrackingOptions.of()
    assert not place.exists()


def test_what_is_changed_is_there_the_next_time(place: Path) -> None:
    first = ScopePreferences.load()
    first.settings["ROI"] = 64
    first.tracking = TrackingOptions.of("linear_bins")
    first.appearance_layout = {"tabs": ["Run"], "width": 5}
    first.appearance_layout = {"tabs": []}
    first.remember_z_lut(place.with_name("z.txt"))
    first.remember_directory("recordings", place.parent)
    again = ScopePreferences.load()
    assert again.settings == {**MagScopeSettings(), "ROI": 64}
    assert again.tracking == first.tracking
    assert again.appearance_layout == first.appearance_layout == {"tabs": []}
    assert (again.last_z_lut, again.z_lut_disabled) == (place.with_name("z.txt"), False)
    assert again.directory("recordings") == place.parent
    assert again.directory("scripts") is None
    again.remember_z_lut(None)
    assert (again.last_z_lut, again.z_lut_disabled) == (place.with_name("z.txt"), True)
    assert ScopePreferences.load().z_lut_disabled


def test_the_environment_wins_and_is_not_stored(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write_text("magscope: {ROI: 64, magnification: 3}\ntracking: {mode: linear_bins, crop: {min_contrast: 2}}\n")
    monkeypatch.setenv("OPTICSTREAM_SCOPE__ROI", "70")
    monkeypatch.setenv("OPTICSTREAM_SCOPE__XY_LOCK_DEFAULT_WINDOW", "7")
    monkeypatch.setenv("OPTICSTREAM_SCOPE__TRACKING__ITERATIONS", "3")
    monkeypatch.setenv("OPTICSTREAM_SCOPE__TRACKING__CROP__FULL_SCALE", "4095")
    monkeypatch.setenv("OPTICSTREAM_SCOPE__Z_LUT", str(place.with_name("other.txt")))
    monkeypatch.setenv("OPTICSTREAM_SCOPE__Z_LUT_DISABLED", "true")
    monkeypatch.setenv("OPTICSTREAM_SCOPE__DIRECTORIES__RECORDINGS", str(place.parent))
    found = ScopePreferences.load()
    assert [found.settings[key] for key in ("ROI", "magnification", "xy-lock default window")] == [70, 3, 7]
    options = found.tracking
    assert (options.mode, options.iterations, options.lookup_z.n_local) == ("linear_bins", 3, 3)
    assert (options.crop.min_contrast, options.crop.full_scale) == (2, 4095)
    assert (found.last_z_lut, found.z_lut_disabled) == (place.with_name("other.txt"), True)
    assert found.directory("recordings") == place.parent
    found.settings["magnification"] = 4
    monkeypatch.delenv("OPTICSTREAM_SCOPE__ROI")
    monkeypatch.delenv("OPTICSTREAM_SCOPE__Z_LUT")
    later = ScopePreferences.load()
    assert [later.settings[key] for key in ("ROI", "magnification")] == [64, 4]
    assert later.last_z_lut is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROI", "51"),
        ("TRACKING", "{"),
        ("TRACKING__MODE", "best"),
        ("TRACKING__UNHEARD", "1"),
        ("Z_LUT_DISABLED", "perhaps"),
        ("REGION", "50"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"OPTICSTREAM_SCOPE__{name}", value)
    with pytest.raises(BadInput, match=f"OPTICSTREAM_SCOPE__{name.partition('__')[0]}"):
        ScopePreferences.load()


def test_bad_stored_values_are_passed_over(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    place.write_text("magscope: {ROI: 51, roi: 3, magnification: 2}\ntracking: {mode: best}\ndirectories: 4\n")
    with caplog.at_level(logging.WARNING):
        found = ScopePreferences.load()
    assert found.settings == {**MagScopeSettings(), "magnification": 2}
    assert found.tracking == TrackingOptions.of()
    lines = [record.getMessage() for record in caplog.records]
    for text in ("setting 'ROI': found 51; expected an even integer", "setting 'roi'", "'mode'", "directories: found"):
        assert sum(text in line and str(place) in line for line in lines) == 1, text


@pytest.mark.parametrize("text", ["[1, 2]", "ROI: [", "\x00", "\xff\xfe"])
def test_a_damaged_file_is_kept_beside(place: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    place.write_text(text, "latin-1")
    found = ScopePreferences.load()
    assert str(place) in caplog.text
    found.settings["ROI"] = 64
    assert place.with_name("scope.yaml.damaged").read_text("latin-1") == text
    assert ScopePreferences.load().settings["ROI"] == 64


def test_a_bundle_is_taken_and_stored(place: Path) -> None:
    bundle = PreferencesBundle(MagScopeSettings({"ROI": 80}), TrackingOptions.of("linear_bins"), {"a": 1})
    ScopePreferences.load().take(bundle)
    assert ScopePreferences.load().bundle() == bundle
    assert ScopePreferences.load().tracking_chosen


def test_defaults_that_come_in_a_bundle_are_no_choice(place: Path) -> None:
    there = ScopePreferences.load()
    there.take(PreferencesBundle(MagScopeSettings({"ROI": 80}), TrackingOptions.of(), {}))
    assert not ScopePreferences.load().tracking_chosen
    there.tracking = TrackingOptions.of()
    assert ScopePreferences.load().tracking_chosen


def test_a_folder_that_cannot_be_written_is_one_clear_error(place: Path) -> None:
    found = ScopePreferences.load(place / "scope.yaml")
    place.write_text("a file where a folder should be")
    with pytest.raises(WriteFailed, match=r"scope\.yaml"):
        found.settings["ROI"] = 64


def test_a_file_that_cannot_be_read_now_is_not_put_aside(place: Path) -> None:
    place.mkdir()
    found = ScopePreferences.load()
    with pytest.raises(WriteFailed, match=r"scope\.yaml"):
        found.settings["ROI"] = 64
    assert [path.name for path in place.parent.iterdir()] == ["scope.yaml"]


def test_a_damaged_section_is_written_anew(place: Path) -> None:
    place.write_text("magscope: 4\nmine: kept\n")
    found = ScopePreferences.load()
    found.settings["ROI"] = 64
    assert yaml.safe_load(place.read_text()) == {"version": 1, "magscope": {"ROI": 64}, "mine": "kept"}
