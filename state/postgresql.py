"""PostgreSQL underneath: the engine, which errors pass by themselves, and a store's name without its password."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from opticstream.core.errors import BadInput

_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        # A computer that vanished, or a process stopped for good, gives its row locks back.
        "idle_in_transaction_session_timeout": "60s",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }.items()
)
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "opticstream",
    "options": _OPTIONS,
    # A server that vanished is noticed as well.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
APPLICATION = _CONNECT["application_name"]

_PASSING = {
    "25P03",  # idle in transaction for too long: this process was stopped meanwhile
    "40001",  # serialization failure
    "40P01",  # deadlock
    "53300",  # too many connections
    "55P03",  # lock timeout
    "57P01",  # the server is being stopped
    "57P02",  # it crashed
    "57P03",  # it is starting
}


def create_postgresql_engine(url: URL) -> Engine:
    """Return the engine of a PostgreSQL store; what the URL's query says wins over our settings of a connection.

    Raises:
        BadInput: the URL asks for another driver than psycopg.
    """
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise BadInput("OPTICSTREAM_STATE_URL", found=f"driver {url.drivername}", expected="postgresql+psycopg")
    settings = {name: value for name, value in _CONNECT.items() if name not in url.query}
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=settings,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",  # whatever the server's default: a locked row is read as it is now
    )


def passes_by_itself(error: DBAPIError) -> bool:
    """Say whether the same statements may well succeed in a moment: the server restarts, or others were in the way."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _PASSING


def store_name(url: URL) -> str:
    """Return what a store is called in messages: no password, and no query, which could hold one."""
    if url.get_backend_name() == "sqlite":
        return f"state store {url.database}"
    user = f"{url.username}@" if url.username else ""
    host = url.host or url.query.get("host") or "this computer"
    return f"state store {url.database} of {user}{host}{f':{url.port}' if url.port else ''}"


def reason(error: DBAPIError, url: URL) -> str:
    """Return what the server or the driver said, on one line and without the password."""
    text = " ".join(str(error.orig).split())
    for hint in (" Is the server running", " This probably means"):
        text = text.partition(hint)[0]
    for secret in (url.password, url.query.get("password"), url.query.get("sslpassword")):
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return text
