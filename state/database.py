"""One database, three ways in: write (locked), read (one snapshot), peek (one statement)."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, Float, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from opticstream.core.errors import BadInput, StateError, StoreUnavailable
from opticstream.core.files import write_failed
from opticstream.core.process_identity import ProcessIdentity, this_process
from opticstream.core.settings import Settings
from opticstream.state.attempts import Attempts
from opticstream.state.network_home import refuse_network_folder
from opticstream.state.postgresql import create_postgresql_engine, passes_by_itself, reason, store_name
from opticstream.state.schema import prepare_schema, upgrade_store

log = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 30
_LONG_HOLD_S = 1.0
_PATIENCE_S = 60.0
_PRIMARY_CODE = 0xFF
_DISK_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)

T = TypeVar("T")


class db_now(GenericFunction[float]):  # noqa: N801 (an SQL function's name)
    """Seconds since the epoch by the database's own clock."""

    type = Float(53)
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **kw: Any) -> str:
    return "extract(epoch from clock_timestamp())::float8"


class Database:
    """An open state store; thread-safe. Use :func:`open_database`, and close it.

    Attributes:
        engine: the SQLAlchemy engine.
        settings: the settings it was opened with (lease, attempts, host name).
        patience_s: how long an operation waits for a server that is away, or a full disk, before it raises StoreUnavailable.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.patience_s = _PATIENCE_S
        self._local = threading.local()

    @property
    def is_sqlite(self) -> bool:
        """True for the single-file store, whose writers hold the whole file's lock."""
        return self.engine.dialect.name == "sqlite"

    def identity(self) -> ProcessIdentity:
        """Return the calling process under this installation's host name."""
        return this_process(self.settings.host_name)

    @contextmanager
    def write(self, what: str, *, patience_s: float | None = None) -> Iterator[Connection]:
        """Open a writing transaction: committed at the end, rolled back on an exception.

        Args:
            what: the operation's name, for the warning when it holds the lock too long.
            patience_s: wait no longer than this for a server that is away.

        Raises:
            StateError: another write is open in this thread (it would wait for itself).
            StoreUnavailable: the server is away, or went away meanwhile.
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
            with self._connect(patience_s, opticstream_begin="BEGIN IMMEDIATE") as connection:
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
        options: dict[str, Any] = {"opticstream_begin": "BEGIN"}
        if not self.is_sqlite:
            options["isolation_level"] = "REPEATABLE READ"
        with self._connect(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def peek(self) -> Iterator[Connection]:
        """Open a connection for one unlocked statement."""
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with self._connect(**options) as connection:
            yield connection

    @contextmanager
    def _connect(self, patience_s: float | None = None, **options: Any) -> Iterator[Connection]:
        try:
            with self._reach(patience_s).execution_options(**options) as connection:
                yield connection
        except DBAPIError as error:
            if not (_is_the_disk(error) if self.is_sqlite else passes_by_itself(error)):
                raise
            raise _unavailable(self.engine.url, error) from error

    def _reach(self, patience_s: float | None) -> Connection:
        """Return a connection, as soon as the server gives one."""
        if self.is_sqlite:
            return self.engine.connect()
        for attempt in Attempts(self.patience_s if patience_s is None else patience_s):
            with attempt:
                with _told(self.engine.url):
                    return self.engine.connect()
        raise AssertionError("the last attempt returns or raises")

    def attempts(self) -> Attempts:
        """Return the attempts of an operation that is made again when the server goes away under it."""
        return Attempts(self.patience_s)

    def repeat(self, what: str, body: Callable[[Connection, T | None], T]) -> T:
        """Make one write, again when the server goes away under it.

        Args:
            what: the operation's name.
            body: is given what it returned the last time, when it is not known whether that was committed.

        Raises:
            StoreUnavailable: the server stayed away.
        """
        result: T | None = None
        for attempt in self.attempts():
            with attempt, self.write(what) as connection:
                result = body(connection, result)
        return cast("T", result)

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
        StoreUnavailable: its server cannot be reached, or refuses.
    """
    engine = _open_engine(settings, url)
    try:
        with _told(engine.url):
            prepare_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, settings)


def upgrade_database(settings: Settings) -> tuple[str, int | None, int]:
    """Bring the tables of the state store to our version; return its name, the version before and the one now.

    Raises:
        SchemaMismatch: the store is newer than the code, or in use.
        StoreUnavailable: its server cannot be reached, or refuses.
    """
    engine = _open_engine(settings, None)
    try:
        with _told(engine.url):
            return store_name(engine.url), *upgrade_store(engine)
    finally:
        engine.dispose()


@contextmanager
def _told(url: URL) -> Iterator[None]:
    """Say what a server, or the disk of a SQLite file, complains about in one line."""
    try:
        yield
    except DBAPIError as error:
        if url.get_backend_name() == "sqlite" and not _is_the_disk(error):
            raise
        raise _unavailable(url, error) from error


def _is_the_disk(error: DBAPIError) -> bool:
    """Say whether SQLite was refused by the disk (full, not writable) and not by what it was asked."""
    return getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY_CODE in _DISK_CODES


def _unavailable(url: URL, error: DBAPIError) -> StoreUnavailable:
    if url.get_backend_name() == "sqlite":
        failed = write_failed(Path(str(url.database)), OSError(str(error.orig)))
        return StoreUnavailable(failed.where, found=failed.found, expected=failed.expected, action=failed.action)
    return StoreUnavailable(
        store_name(url),
        found=reason(error, url),
        action="Is the server there, and does the database belong to this user? OPTICSTREAM_STATE_URL names both.",
    )


def _open_engine(settings: Settings, url: str | None) -> Engine:
    """Return the engine of a store whose tables nobody has looked at yet.

    Raises:
        BadInput: the URL cannot be used, or a SQLite file would lie on a network file system.
    """
    if url is None:
        url = settings.state_url.get_secret_value() if settings.state_url else default_state_url(settings.home)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a password with "/" or "@" in it is read as a port
        raise BadInput(
            "OPTICSTREAM_STATE_URL",
            found="text that is not a URL",
            expected="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
            action="In a password, write @ as %40, / as %2F, : as %3A and % as %25.",
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
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_postgresql_engine(parsed)
    raise BadInput("OPTICSTREAM_STATE_URL", found=parsed.get_backend_name(), expected="a sqlite or postgresql URL")


def _tune_sqlite(connection: Any, record: Any) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    for pragma in (f"busy_timeout={_BUSY_TIMEOUT_S * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError:  # two that make the file at once: SQLite does not wait here by itself
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get("opticstream_begin")
    if statement:
        connection.exec_driver_sql(statement)
