"""A store of another version is refused, or copied and migrated; a home on a network is refused."""

import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from sqlalchemy import Connection, inspect, select, text, update

from opticstream.core.errors import BadInput, SchemaMismatch
from opticstream.core.settings import Settings
from opticstream.state import schema
from opticstream.state.database import Database, open_database, upgrade_database
from opticstream.state.tables import SCHEMA_VERSION, schema_info
from support.waiting import until

SQLITE = pytest.mark.parametrize("back_end", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("back_end", ["postgresql"], indirect=True)


@pytest.fixture
def version_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the code one version newer than the tables it makes."""
    monkeypatch.setitem(schema.MIGRATIONS, SCHEMA_VERSION, add_column)
    monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(schema.prepare_schema, "__kwdefaults__", {"version": SCHEMA_VERSION + 1, "migrate": None})


def add_column(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE unit ADD COLUMN added INTEGER"))


def columns(database: Database) -> set[str]:
    return {column["name"] for column in inspect(database.engine).get_columns("unit")}


def test_a_newer_store_is_refused(settings: Settings) -> None:
    with open_database(settings) as database, database.write("test") as connection:
        connection.execute(update(schema_info).values(version=99))
    with pytest.raises(SchemaMismatch, match="version 99"):
        open_database(settings)
    with pytest.raises(SchemaMismatch, match="newer opticstream"):
        upgrade_database(settings)


@SQLITE
def test_an_older_file_is_copied_and_migrated(settings: Settings, request: pytest.FixtureRequest) -> None:
    open_database(settings).close()
    request.getfixturevalue("version_next")
    with open_database(settings) as database:
        assert "added" in columns(database)
        with database.peek() as connection:
            assert connection.execute(select(schema_info.c.version)).scalar_one() == SCHEMA_VERSION + 1
        assert (settings.home / f"state.before-v{SCHEMA_VERSION + 1}.db").exists()
        with pytest.raises(SchemaMismatch, match="state upgrade"):
            schema.prepare_schema(database.engine, version=SCHEMA_VERSION + 2, migrate=False)


@POSTGRESQL
def test_an_older_store_on_a_server_waits_for_the_command_and_for_its_users(
    settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> str:
        with pytest.raises(SchemaMismatch) as caught:
            upgrade_database(settings)
        return str(caught.value)

    with open_database(settings) as old:
        request.getfixturevalue("version_next")
        with pytest.raises(SchemaMismatch, match="state upgrade"):
            open_database(settings)
        with monkeypatch.context() as patch:
            patch.setattr(schema, "_LEAVING_S", 0.0)
            until(lambda: "1 connections of opticstream, from the server itself" in refused())
        assert "added" not in columns(old)
    assert upgrade_database(settings)[1:] == (SCHEMA_VERSION, SCHEMA_VERSION + 1)
    assert upgrade_database(settings)[1:] == (SCHEMA_VERSION + 1, SCHEMA_VERSION + 1)
    with open_database(settings) as database:
        assert "added" in columns(database)


@POSTGRESQL
@pytest.mark.usefixtures("version_next")
def test_an_upgrade_waits_for_a_session_that_is_about_to_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed connection's session is on the server a moment longer."""
    old = open_database(settings)
    with old.write("test") as connection:
        connection.execute(update(schema_info).values(version=SCHEMA_VERSION))

    def sleep(seconds: float) -> None:
        old.close()
        time.sleep(seconds)

    monkeypatch.setattr(schema, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    monkeypatch.setattr(schema, "_LEAVING_S", 60.0)
    assert upgrade_database(settings)[1:] == (SCHEMA_VERSION, SCHEMA_VERSION + 1)


def test_an_upgrade_of_nothing_makes_the_tables(settings: Settings) -> None:
    assert upgrade_database(settings)[1:] == (None, schema.SCHEMA_VERSION)
    open_database(settings).close()


def test_a_failed_migration_changes_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(connection: Connection) -> None:
        add_column(connection)
        raise RuntimeError

    monkeypatch.setitem(schema.MIGRATIONS, SCHEMA_VERSION, migrate)
    open_database(settings).close()
    engine = open_database(settings).engine
    with pytest.raises(RuntimeError):
        schema.prepare_schema(engine, version=SCHEMA_VERSION + 1, migrate=True)
    engine.dispose()
    with open_database(settings) as database:
        assert "added" not in columns(database)


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_do_not_collide(settings: Settings) -> None:
    opens = "import sys; from opticstream.core.settings import load_settings; from opticstream.state import *;"
    code = f"{opens} print('here', flush=True); sys.stdin.readline(); open_database(load_settings()).close()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(4)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == b"here\n"
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120) and process.returncode for process in processes] == [0] * 4
    with open_database(settings) as database, database.peek() as connection:
        assert connection.execute(select(schema_info.c.version)).scalars().all() == [schema.SCHEMA_VERSION]


def mount(point: str, kind: str) -> SimpleNamespace:
    return SimpleNamespace(device="x", mountpoint=point, fstype=kind, opts="rw")


@SQLITE
def test_a_network_home_is_refused_with_the_setting_that_mends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [mount("/", "ext4"), mount(str(settings.home.resolve()), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    with pytest.raises(BadInput, match="OPTICSTREAM_STATE_URL"):
        open_database(settings)


@SQLITE
@pytest.mark.parametrize(
    "url",
    [
        "not a url",
        "sqlite://",
        "mysql://h/d",
        "postgresql+asyncpg://h/d",
        "postgresql://user@h:hunter2/d",
    ],
)
def test_urls_that_cannot_be_a_store(settings: Settings, url: str) -> None:
    with pytest.raises(BadInput, match="OPTICSTREAM_STATE_URL") as refused:
        open_database(settings, url)
    assert "hunter2" not in str(refused.value)


@SQLITE
def test_a_store_of_version_1_gets_the_results_of_claims(settings: Settings) -> None:
    with open_database(settings) as database, database.write("test") as connection:
        connection.execute(text("ALTER TABLE claim DROP COLUMN result"))
        connection.execute(update(schema_info).values(version=1))
    with open_database(settings) as database:
        names = {column["name"] for column in inspect(database.engine).get_columns("claim")}
        assert "result" in names
