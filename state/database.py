"""One database, three ways in: write (locked), read (one snapshot), peek (one statement)."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, Float, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from opticstream.core.errors import BadInput, StateError
from opticstream.core.process_identity import ProcessIdentity, this_process
from opticstream.core.settings import Settings
from opticstream.state.network_home import refuse_network_folder
from opticstream.state.schema import prepare_schema

log = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 30
_LONG_HOLD_S = 1.0


class db_now(GenericFunction[float]):  # noqa: N801 (an SQL function's name)
    """Seconds since the epoch by the database's own clock."""

    type = Float(53)
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "extract(epoch from clock_timestamp())"


class Database:
    """An open state store; thread-safe. Use :func:`open_database`, and close it.

    Attributes:
        engine: the SQLAlchemy engine.
        settings: the settings it was opened with (lease, attempts, host name).
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self._local = threading.local()

    @property
    def is_sqlite(self) -> bool:
        """True for the single-file store, whose writers hold the whole file's lock."""
        return self.engine.dialect.name == "sqlite"

    def identity(self) -> ProcessIdentity:
        """Return the calling process under this installation's host name."""
        return this_process(self.settings.host_name)

    @contextmanager
    def write(self, what: str) -> Iterator[Connection]:
        """Open a writing transaction: committed at the end, rolled back on an exception.

        Args:
            what: the operation's name, for the warning when it holds the lock too long.

        Raises:
            StateError: another write is open in this thread (it would wait for itself).
        """
        outer = getattr(self._local, "writing", None)
        if outer is not None:
            raise StateError(
                what,
                found=f"an open write by {outer!r} in the same thread",
                expected="no nesting",
                action="Leave the outer open_* first; it holds the store's lock.",
            )
        self._local.writing = what
        started = time.monotonic()
        try:
            with self.engine.connect().execution_options(opticstream_begin="BEGIN IMMEDIATE") as connection:
                with connection.begin():
                    started = time.monotonic()
                    yield connection
        finally:
            self._local.writing = None
            held = time.monotonic() - started
            if held > _LONG_HOLD_S:
                log.warning("%s held the state store for %.1f s; only renames belong inside open_*", what, held)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a reading transaction: every statement sees the same moment."""
        options = {"opticstream_begin": "BEGIN"}
        if not self.is_sqlite:
            options["isolation_level"] = "REPEATABLE READ"
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def peek(self) -> Iterator[Connection]:
        """Open a connection for one unlocked statement."""
        options = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def default_state_url(home: Path) -> str:
    """Return the URL of the SQLite store in an application home."""
    return f"sqlite:///{(home / 'state.db').as_posix()}"


def open_database(settings: Settings, url: str | None = None) -> Database:
    """Open the state store, creating it when it is not there.

    Args:
        settings: the process's settings.
        url: SQLAlchemy URL; default: ``OPTICSTREAM_STATE_URL``, else ``state.db`` in the home.

    Raises:
        BadInput: the URL cannot be used, or a SQLite file would lie on a network file system.
        SchemaMismatch: the store belongs to a newer version, or needs ``opticstream state upgrade``.
    """
    if url is None:
        url = settings.state_url.get_secret_value() if settings.state_url else default_state_url(settings.home)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadInput(
            "OPTICSTREAM_STATE_URL",
            found="text that is not a URL",
            expected="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise BadInput("OPTICSTREAM_STATE_URL", found="a SQLite URL without a file", expected="sqlite:///FILE")
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_network_folder(path.parent)
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _tune_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif parsed.get_backend_name() == "postgresql":
        try:
            engine = create_engine(parsed, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise BadInput(
                "OPTICSTREAM_STATE_URL",
                found=f"driver {parsed.drivername}, which is not installed here ({error.name})",
                expected="a driver that is, for example sqlite:///FILE",
            ) from None
    else:
        raise BadInput("OPTICSTREAM_STATE_URL", found=parsed.get_backend_name(), expected="a sqlite or postgresql URL")
    database = Database(engine, settings)
    try:
        prepare_schema(engine)
    except BaseException:
        database.close()
        raise
    return database


def _tune_sqlite(connection: Any, record: Any) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={_BUSY_TIMEOUT_S * 1000}",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get("opticstream_begin")
    if statement:
        connection.exec_driver_sql(statement)
