"""``opticstream state``, and what any command says of a store it cannot use; the password is in none of it."""

from pathlib import Path
from urllib.parse import quote

import pytest

from opticstream.core.errors import StoreUnavailable
from opticstream.core.settings import Settings
from opticstream.state import open_database
from opticstream.state.tables import SCHEMA_VERSION
from support.command import command_environment, run_command
from support.postgres import GUARDED, PASSWORD, ROLE


def guarded(url: str, password: str) -> str:
    """Return a URL for the user who needs a password."""
    return url.replace(f"{ROLE}@", f"{GUARDED}:{quote(password, safe='')}@")


def test_upgrade_of_a_file(home: Path) -> None:
    environment = command_environment(home)
    assert "tables made" in run_command(environment, "state", "upgrade").stdout
    done = run_command(environment, "state", "upgrade").stdout
    assert done == f"state store {home / 'state.db'}: schema version {SCHEMA_VERSION}, nothing to do\n"


def test_upgrade_on_a_server_with_a_password_that_a_url_must_quote(home: Path, postgres_url: str) -> None:
    environment = command_environment(home, OPTICSTREAM_STATE_URL=guarded(postgres_url, PASSWORD))
    assert "tables made" in run_command(environment, "state", "upgrade").stdout
    done = run_command(environment, "state", "upgrade").stdout
    assert "nothing to do" in done and PASSWORD not in done
    assert "no oct project" in run_command(environment, "oct", "state", "show", "brain", expect=1).stderr
    assert not (home / "state.db").exists()


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("command", [("oct", "state", "show", "brain"), ("state", "upgrade")], ids=" ".join)
def test_a_wrong_password_is_told_and_not_shown(
    command: tuple[str, ...], debug: str, home: Path, postgres_url: str
) -> None:
    url = guarded(postgres_url, "secret/wrong")
    environment = command_environment(home, OPTICSTREAM_STATE_URL=url, OPTICSTREAM_DEBUG=debug)
    done = run_command(environment, *command, expect=1)
    assert "password authentication failed" in done.stderr and "OPTICSTREAM_STATE_URL" in done.stderr
    assert "secret" not in done.stdout + done.stderr
    if not debug:
        assert done.stderr.startswith("error: state store ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://opticstream:secret@127.0.0.1:1/state",
        "postgresql+psycopg://opticstream@127.0.0.1:1/state?password=secret&application_name=secret",
    ],
)
def test_a_server_that_is_not_there_is_told_without_the_password(settings: Settings, url: str) -> None:
    with pytest.raises(StoreUnavailable, match="Is the server there") as refused:
        open_database(settings, url)
    assert "=secret" not in str(refused.value) and ":secret" not in str(refused.value)
