"""Which Prefect API a command talks to."""

import json
import os
from pathlib import Path

import pytest

from opticstream.core.errors import ServerUnavailable
from opticstream.core.process_identity import process_birth
from opticstream.core.settings import load_settings
from opticstream.deployments.api import ensure_api, find_api
from support.command import command_environment, run_command
from support.peers import slow_server

ELSEWHERE = "http://127.0.0.1:9/api"  # the discard port: nobody answers


@pytest.fixture(autouse=True)
def nothing_configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(home.parent / "person"))


def _profile(home: Path, url: str) -> Path:
    path = home.parent / "person" / "profiles.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'active = "lab"\n[profiles.lab]\nPREFECT_API_URL = "{url}"\n')
    return path


def _embedded(home: Path, url: str) -> None:
    home.mkdir()
    birth = process_birth(os.getpid())
    (home / "server.json").write_text(
        json.dumps({"url": url, "ui_url": "", "pid": os.getpid(), "birth": birth, "since": ""})
    )


def test_environment_before_profile_before_embedded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert (find_api(settings).url, find_api(settings).source) == (None, "none")
    _embedded(home, "http://127.0.0.1:1/api")
    assert find_api(settings).source == "embedded server"
    _profile(home, "http://lab:4200/api")
    assert (find_api(settings).url, find_api(settings).source) == ("http://lab:4200/api", "Prefect profile")
    monkeypatch.setenv("PREFECT_API_URL", ELSEWHERE)
    assert (find_api(settings).url, find_api(settings).source) == (ELSEWHERE, "PREFECT_API_URL")


def test_another_profile_can_be_chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _profile(home, "http://lab:4200/api")
    path.write_text(path.read_text() + '[profiles.home]\nPREFECT_API_URL = "http://home/api"\n')
    monkeypatch.setenv("PREFECT_PROFILE", "home")
    assert find_api(load_settings()).url == "http://home/api"


@pytest.mark.parametrize(
    "text", ["", "active = 3", 'active = "lab"\n[profiles]\nlab = 1', "not toml [", 'active = "gone"']
)
def test_a_profile_file_without_an_address_counts_as_none(home: Path, text: str) -> None:
    _profile(home, "x").write_text(text)
    assert find_api(load_settings()).source == "none"


def test_a_configured_api_that_is_away_is_an_error_and_starts_no_other(home: Path) -> None:
    path = _profile(home, ELSEWHERE)
    before = path.read_bytes()
    with pytest.raises(ServerUnavailable, match=r"no answer; expected the API that Prefect profile names"):
        ensure_api(load_settings(), say=print)
    assert path.read_bytes() == before
    assert not (home / "server.json").exists()


def test_an_api_that_is_busy_for_seconds_is_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_server(2.5) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        assert ensure_api(load_settings(), say=print) == url


def test_a_command_says_in_one_line_how_to_get_the_api(home: Path) -> None:
    done = run_command(command_environment(home, ELSEWHERE), "oct", "process", "brain", "1/1/1", expect=1)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Start it, or unset PREFECT_API_URL to use the embedded server." in done.stderr
