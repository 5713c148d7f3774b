"""A store of another version is refused, or copied and migrated; a home on a network is refused."""

from types import SimpleNamespace

import psutil
import pytest
from sqlalchemy import inspect, select, text, update

from opticstream.core.errors import BadInput, SchemaMismatch
from opticstream.core.settings import Settings
from opticstream.state import schema
from opticstream.state.database import open_database
from opticstream.state.tables import schema_info


def test_a_newer_store_is_refused(settings: Settings) -> None:
    with open_database(settings) as database, database.write("test") as connection:
        connection.execute(update(schema_info).values(version=99))
    with pytest.raises(SchemaMismatch, match="version 99"):
        open_database(settings)


def test_an_older_store_is_copied_and_migrated(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(connection) -> None:  # type: ignore[no-untyped-def]
        connection.execute(text("ALTER TABLE unit ADD COLUMN added INTEGER"))

    monkeypatch.setitem(schema.MIGRATIONS, 1, migrate)
    with open_database(settings) as database:
        schema.prepare_schema(database.engine, version=2)
        assert "added" in {column["name"] for column in inspect(database.engine).get_columns("unit")}
        with database.peek() as connection:
            assert connection.execute(select(schema_info.c.version)).scalar_one() == 2
        assert (settings.home / "state.before-v2.db").exists()
        with pytest.raises(SchemaMismatch, match="newer opticstream"):
            schema.prepare_schema(database.engine, version=1)
        with pytest.raises(SchemaMismatch, match="state upgrade"):
            schema.prepare_schema(database.engine, version=3, migrate=False)


def test_a_failed_migration_changes_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(connection) -> None:  # type: ignore[no-untyped-def]
        connection.execute(text("ALTER TABLE unit ADD COLUMN added INTEGER"))
        raise RuntimeError

    monkeypatch.setitem(schema.MIGRATIONS, 1, migrate)
    with open_database(settings) as database:
        with pytest.raises(RuntimeError):
            schema.prepare_schema(database.engine, version=2)
        assert "added" not in {column["name"] for column in inspect(database.engine).get_columns("unit")}


def mount(point: str, kind: str) -> SimpleNamespace:
    return SimpleNamespace(device="x", mountpoint=point, fstype=kind, opts="rw")


def test_a_network_home_is_refused_with_the_setting_that_mends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [mount("/", "ext4"), mount(str(settings.home.resolve()), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    with pytest.raises(BadInput, match="OPTICSTREAM_STATE_URL"):
        open_database(settings)


@pytest.mark.parametrize("url", ["not a url", "sqlite://", "mysql://h/d"])
def test_urls_that_cannot_be_a_store(settings: Settings, url: str) -> None:
    with pytest.raises(BadInput, match="OPTICSTREAM_STATE_URL"):
        open_database(settings, url)
