"""Which version of the tables a store has, and how it gets to ours."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from opticstream.core.errors import SchemaMismatch
from opticstream.state.tables import SCHEMA_VERSION, metadata, schema_info

log = logging.getLogger(__name__)

Migration = Callable[[Connection], None]

MIGRATIONS: dict[int, Migration] = {}
"""Version → what brings its tables to the next one."""

_ADVISORY_LOCK = 0x0671C57  # any fixed number: serialises creators of a PostgreSQL schema


def prepare_schema(engine: Engine, *, version: int = SCHEMA_VERSION, migrate: bool | None = None) -> None:
    """Create the tables, or check and migrate them.

    Args:
        engine: the store's engine.
        version: the version this code speaks.
        migrate: whether an older store is migrated; default: SQLite yes (after copying the file), PostgreSQL no.

    Raises:
        SchemaMismatch: the store is newer than the code, or older and not to be migrated here.
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
        while found < version:
            MIGRATIONS[found](connection)
            found += 1
        connection.execute(update(schema_info).values(version=version))


def _version(engine: Engine) -> int | None:
    with engine.connect() as connection:
        return _read_version(connection)


def _read_version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(schema_info.name):
        return None
    return int(connection.execute(select(schema_info.c.version)).scalar_one())


def _copy_sqlite(path: Path, version: int) -> None:
    copy = path.with_name(f"{path.stem}.before-v{version + 1}{path.suffix}")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    log.warning("state store %s has schema version %d: copied to %s before migrating it", path, version, copy)
