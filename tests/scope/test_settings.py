"""Settings of the scope: the predecessor's keys and ranges, checked when they are set."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.scope.settings import (
    MagScopeSettings,
    PreferencesBundle,
    PreferencesFile,
    UnknownSetting,
    fit_to_machine,
    restart_keys,
)
from opticstream.scope.tracking import TrackingOptions
from support.repository import ROOT

DEFAULTS = {
    "ROI": 50,
    "magnification": 1,
    "tracks max datapoints": 1_000_000,
    "save tracking ROI positions": False,
    "tracking data file rotation enabled": True,
    "tracking data file rotation interval minutes": 60,
    "video buffer n images": 40,
    "video buffer n stacks": 5,
    "video processors n": 3,
    "xy-lock default interval": 10,
    "xy-lock default max": 10,
    "xy-lock default window": 10,
    "z-lock default interval": 10,
    "z-lock default max": 1000,
    "z-lock default window": 10,
    "gui accent color": "#78c7ff",
    "gui live plot progress bar": True,
}
ANY = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()))


def test_defaults_are_the_predecessors() -> None:
    assert MagScopeSettings().to_dict() == DEFAULTS
    assert list(MagScopeSettings.defined_keys()) == list(DEFAULTS)


@pytest.mark.parametrize(
    ("key", "given", "held"),
    [
        ("ROI", "64", 64),
        ("ROI", " 64.0 ", 64),
        ("ROI", 8, 8),
        ("ROI", 256, 256),
        ("magnification", "2.5", 2.5),
        ("save tracking ROI positions", "yes", True),
        ("save tracking ROI positions", "True", True),
        ("save tracking ROI positions", "1", True),
        ("tracking data file rotation enabled", "no", False),
        ("tracking data file rotation enabled", 0, False),
        ("gui accent color", "#ABCDEF", "#ABCDEF"),
        ("xy-lock default interval", 0, 0),
    ],
)
def test_a_value_is_held_as_what_it_says(key: str, given: object, held: object) -> None:
    found = MagScopeSettings({key: given})[key]
    assert found == held
    assert type(found) is type(MagScopeSettings.spec_for(key).coerce(held))


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("ROI", 51),
        ("ROI", 6),
        ("ROI", 258),
        ("ROI", 50.5),
        ("ROI", True),
        ("ROI", None),
        ("ROI", "fifty"),
        ("ROI", "1e400"),
        ("magnification", 0.5),
        ("magnification", float("nan")),
        ("magnification", float("inf")),
        ("video buffer n stacks", 0),
        ("xy-lock default max", -1),
        ("save tracking ROI positions", "maybe"),
        ("save tracking ROI positions", 2),
        ("gui accent color", "#78c7f"),
        ("gui accent color", "red"),
        ("gui accent color", 7),
    ],
)
def test_what_cannot_be_used_is_a_value_error_that_names_the_key(key: str, given: object) -> None:
    settings = MagScopeSettings()
    with pytest.raises(ValueError, match=f"setting '{key}': found .*; expected ") as caught:
        settings[key] = given
    assert isinstance(caught.value, BadInput)
    assert settings.to_dict() == DEFAULTS


@given(st.sampled_from(sorted(DEFAULTS)), ANY)
def test_any_value_is_taken_into_the_range_or_refused(key: str, value: object) -> None:
    spec = MagScopeSettings.spec_for(key)
    try:
        held = spec.coerce(value)
    except ValueError:
        return
    assert spec.coerce(held) == held == spec.coerce(str(held))
    assert isinstance(held, type(spec.default))


def test_unknown_keys_and_deletions() -> None:
    settings = MagScopeSettings()
    for act in (lambda: settings["roi"], lambda: settings.update({"ROI": 64, "roi": 5}), lambda: settings.spec_for("")):
        with pytest.raises(KeyError) as caught:
            act()
        assert isinstance(caught.value, UnknownSetting)
        assert str(caught.value).startswith("setting '")
    with pytest.raises(TypeError):
        del settings["ROI"]
    with pytest.raises(TypeError):
        MagScopeSettings(5)  # type: ignore[arg-type]
    assert settings.get("roi") is None
    assert settings.to_dict() == DEFAULTS


def test_several_changes_are_all_or_none() -> None:
    settings = MagScopeSettings({"ROI": 64})
    with pytest.raises(ValueError, match="magnification"):
        settings.update({"ROI": 70, "magnification": 0})
    assert settings["ROI"] == 64
    settings.reset_to_defaults()
    assert settings == DEFAULTS


class _Memory:
    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.full = False

    def change(self, section: str, changes: Any, /) -> None:
        if self.full:
            raise WriteFailed("settings", found="a full disk")
        assert section == "magscope"
        self.changes.append(dict(changes))


def test_a_persistent_copy_stores_what_changes_and_a_clone_nothing() -> None:
    storage = _Memory()
    settings = MagScopeSettings({"ROI": 64}).persistent_copy(storage)
    settings["ROI"] = 64
    settings["ROI"] = 70
    settings.clone()["ROI"] = 80
    pickle.loads(pickle.dumps(settings))["ROI"] = 90
    settings.persistent_copy()["magnification"] = 2
    assert storage.changes == [{"ROI": 70}, {"magnification": 2.0}]
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert settings["ROI"] == 70


def test_the_listener_hears_once_that_the_storage_became_unwritable() -> None:
    storage, heard = _Memory(), []
    settings = MagScopeSettings().persistent_copy(storage)
    storage.full = True
    with pytest.raises(WriteFailed):
        settings["ROI"] = 60
    settings.set_persistence_listener(heard.append)
    settings["ROI"] = 62
    settings["ROI"] = 64
    assert (len(heard), settings["ROI"]) == (1, 64)
    storage.full = False
    settings["ROI"] = 66
    storage.full = True
    settings["ROI"] = 68
    assert len(heard) == 2


def test_yaml_there_and_back(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    settings = MagScopeSettings({"ROI": 64, "magnification": 2.5, "gui accent color": "#000000"})
    settings.export_yaml(file)
    other = MagScopeSettings({"video processors n": 1})
    other.import_yaml(file)
    assert other == settings
    file.write_text("ROI: 32\n")
    other.import_yaml(str(file))
    assert (other["ROI"], other["magnification"]) == (32, 2.5)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- ROI\n", "ROI\n", "ROI: [", "ROI: 51", "1: 2", "x: 2024-13-45"])
def test_yaml_that_cannot_be_used_changes_nothing(tmp_path: Path, text: str) -> None:
    file, settings = tmp_path / "bad.yaml", MagScopeSettings()
    file.write_text(text)
    with pytest.raises(ValueError, match=r"bad\.yaml"):
        settings.import_yaml(file)
    assert settings == DEFAULTS


def test_yaml_with_an_unknown_key_or_without_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    with pytest.raises(BadFile, match=r"bad\.yaml"):
        MagScopeSettings().import_yaml(file)
    file.write_text("magnification: 3\nroi: 5\n")
    settings = MagScopeSettings()
    with pytest.raises(KeyError, match=r"bad\.yaml: setting 'roi'"):
        settings.import_yaml(file)
    assert settings == DEFAULTS


def test_a_bundle_there_and_back(tmp_path: Path) -> None:
    file = tmp_path / "bundle.yaml"
    bundle = PreferencesBundle(MagScopeSettings({"ROI": 64}), TrackingOptions.of("linear_bins"), {"tabs": ["Run"]})
    bundle.export_yaml(file)
    assert PreferencesBundle.import_yaml(file) == bundle
    assert list(bundle.to_dict()) == ["version", "magscope", "tracking", "appearance_layout"]


GOOD = "version: 1\nmagscope: {}\ntracking: {}\nappearance_layout: {}\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (GOOD.replace("version: 1", "version: 2"), "version"),
        (GOOD.replace("version: 1\n", ""), "version"),
        (GOOD.replace("version: 1", "version: true"), "version"),
        (GOOD.replace("magscope: {}\n", ""), "magscope"),
        (GOOD.replace("tracking: {}\n", ""), "tracking"),
        (GOOD.replace("appearance_layout: {}\n", ""), "appearance_layout"),
        (GOOD.replace("tracking: {}", "tracking: 3"), "tracking"),
        (GOOD.replace("tracking: {}", "tracking: {unheard: 1}"), "unheard"),
        (GOOD.replace("magscope: {}", "magscope: {ROI: 51}"), "ROI"),
        (GOOD.replace("magscope: {}", "magscope: {roi: 50}"), "roi"),
        ("version: [", "bundle"),
        ("", "bundle"),
    ],
)
def test_a_bundle_that_cannot_be_used_says_where(tmp_path: Path, text: str, names: str) -> None:
    file = tmp_path / "bundle.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"bundle\.yaml.*{names}|{names}\.yaml"):
        PreferencesBundle.import_yaml(file)


def test_what_a_running_scope_cannot_take() -> None:
    old = MagScopeSettings()
    new = MagScopeSettings({"ROI": 64, "magnification": 2, "video processors n": 1, "video buffer n stacks": 9})
    assert restart_keys(old, new) == ("video buffer n stacks", "video processors n")
    assert restart_keys(old, {"tracks max datapoints": 5}) == ("tracks max datapoints",)
    assert restart_keys(old, old.clone()) == ()


def test_memory_and_cores_are_looked_at_first(caplog: pytest.LogCaptureFixture) -> None:
    settings = MagScopeSettings({"tracks max datapoints": 1000, "video processors n": 2})
    found = fit_to_machine(settings, frame_bytes=512 * 256, free_bytes=2**30, cores=2)
    assert (found.processors, found.video_bytes, found.tracks_bytes) == (2, 200 * 512 * 256, 56_000)
    assert not caplog.records
    assert fit_to_machine(settings, frame_bytes=1, free_bytes=2**30, cores=1).processors == 1
    assert "video processors n" in caplog.text
    with pytest.raises(ValueError, match="Lower 'video buffer n images'"):
        fit_to_machine(settings, frame_bytes=2**24, free_bytes=2**30, cores=2)


def test_a_file_is_shared_change_by_change(tmp_path: Path) -> None:
    file = PreferencesFile(tmp_path / "folder" / "scope.yaml")
    one, two = (MagScopeSettings().persistent_copy(file) for _ in range(2))
    one["ROI"] = 64
    two["magnification"] = 2
    assert file.section("magscope") == {"ROI": 64, "magnification": 2.0}
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["scope.yaml"]


def test_the_reference_says_what_the_code_says() -> None:
    page = (ROOT / "docs" / "reference" / "scope-settings.md").read_text("utf-8")
    for spec in map(MagScopeSettings.spec_for, MagScopeSettings.defined_keys()):
        shown = str(spec.default).lower().removesuffix(".0")
        assert f"| `{spec.key}` | {shown} | {spec.unit} | {spec.expected} | `{spec.variable}` |" in page
        restart = "; needs a restart" if spec.restart else ""
        assert f"| `{spec.key}` | {spec.description}{restart} |" in page


def test_a_process_that_gets_the_settings_imports_little() -> None:
    code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1])); "
    code += "sys.exit([m for m in ('pydantic', 'scipy', 'numba', 'prefect') if m in sys.modules] or 0)"
    pickled = pickle.dumps(MagScopeSettings({"ROI": 64})).hex()
    subprocess.run([sys.executable, "-c", code, pickled], check=True)
