"""Which version of the tables a store has, and how it gets to ours."""

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from opticstream.core.errors import SchemaMismatch
from opticstream.state.postgresql import APPLICATION
from opticstream.state.tables import SCHEMA_VERSION, metadata, schema_info, sessions

log = logging.getLogger(__name__)

Migration = Callable[[Connection], None]


def _results(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE claim ADD COLUMN result JSON"))


def _sessions(connection: Connection) -> None:
    sessions.create(connection, checkfirst=True)


MIGRATIONS: dict[int, Migration] = {1: _results, 2: _sessions}
"""Version → what brings its tables to the next one."""

_LEAVING_S = 5.0
_LOOK_S = 0.05
_ADVISORY_LOCK = 0x0671C57  # any fixed number: serialises creators of a PostgreSQL schema


def prepare_schema(engine: Engine, *, version: int = SCHEMA_VERSION, migrate: bool | None = None) -> None:
    """Create the tables, or check and migrate them.

    Args:
        engine: the store's engine.
        version: the version this code speaks.
        migrate: whether an older store is migrated; default: SQLite yes (after copying the file), PostgreSQL no.

    Raises:
        SchemaMismatch: the store is newer than the code, or older and not to be migrated here, or not while in use.
    """
    found = _version(engine)
    if found == version:
        return
    sqlite = engine.dialect.name == "sqlite"
    if found is not None and found < version:
        if not (sqlite if migrate is None else migrate):
            raise SchemaMismatch(
                "state store",
                found=f"schema version {found}",
                expected=f"version {version}",
                action="Stop the workers and run `opticstream state upgrade`.",
            )
        if sqlite:
            _copy_sqlite(Path(str(engine.url.database)), found)
    with engine.connect().execution_options(opticstream_begin="BEGIN IMMEDIATE") as connection, connection.begin():
        if not sqlite:
            # Held until the commit: of several processes that open a new store at once, one makes the tables.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        found = _read_version(connection)  # again, now under the lock
        if found is None:
            metadata.create_all(connection)
            connection.execute(insert(schema_info).values(version=version))
            return
        if found > version:
            raise SchemaMismatch(
                "state store",
                found=f"schema version {found}",
                expected=f"version {version} or older",
                action="It was written by a newer opticstream; upgrade this installation.",
            )
        if found < version and not sqlite:
            _refuse_in_use(connection)
        while found < version:
            MIGRATIONS[found](connection)
            found += 1
        connection.execute(update(schema_info).values(version=version))


def upgrade_store(engine: Engine) -> tuple[int | None, int]:
    """Bring a store's tables to our version; return the version before (None: there was none) and the one now.

    Raises:
        SchemaMismatch: the store is newer than the code, or in use.
    """
    before = _version(engine)
    prepare_schema(engine, migrate=True)
    return before, SCHEMA_VERSION


def _version(engine: Engine) -> int | None:
    with engine.connect() as connection:
        return _read_version(connection)


def _refuse_in_use(connection: Connection) -> None:
    """Check that nobody with code of the older version is still at work.

    The session of who has just ended ends a moment later on the server, so it is looked for a while.
    """
    sessions = text(
        "SELECT coalesce(host(client_addr), 'the server itself') FROM pg_stat_activity WHERE datname ="
        " current_database() AND application_name = :name AND pid <> pg_backend_pid()"
    )
    end = time.monotonic() + _LEAVING_S
    while (places := list(connection.execute(sessions, {"name": APPLICATION}).scalars())) and time.monotonic() < end:
        time.sleep(_LOOK_S)
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))  # else the transaction sees the same again
    if places:
        raise SchemaMismatch(
            "state store",
            found=f"{len(places)} connections of opticstream, from {', '.join(sorted(set(places)))}",
            expected="none while it is upgraded",
            action="Stop every watch and worker, then run `opticstream state upgrade` again.",
        )


def _read_version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(schema_info.name):
        return None
    return int(connection.execute(select(schema_info.c.version)).scalar_one())


def _copy_sqlite(path: Path, version: int) -> None:
    copy = path.with_name(f"{path.stem}.before-v{version + 1}{path.suffix}")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    log.warning("state store %s has schema version %d: copied to %s before migrating it", path, version, copy)
