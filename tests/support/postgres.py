"""A PostgreSQL server for tests: its own cluster in a temporary folder, under a user that is not root."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

_ADMIN = "postgres"
ROLE = "opticstream"
"""Owner of the databases; needs no password."""
GUARDED = "guarded"
"""May do what ROLE may, with the password."""
PASSWORD = "hunter2/@:%"
_READY_S = 60
_SETTINGS = {
    "listen_addresses": "",  # the socket in the cluster's folder only, so that no port can be taken
    "max_connections": "100",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "dynamic_shared_memory_type": "mmap",  # nothing in /dev/shm
    "autovacuum": "off",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_servers: set[int] = set()


def server_processes() -> set[int]:
    """Return the pids of the servers that run now; they and what they start outlive one test."""
    return set(_servers)


def find_binaries() -> Path | None:
    """Return the folder of PostgreSQL's server programs; None when they are not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = [file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(installed, key=lambda folder: float(folder.parent.name), default=None)


def _as_other_user() -> dict[str, Any]:
    """Return what makes a child run under another user: PostgreSQL refuses to be root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {}
    import pwd

    for name in (_ADMIN, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL refuses to run as root: expected a user 'postgres' or 'nobody', found neither")


class Cluster:
    """One server with its data.

    Args:
        binaries: folder of PostgreSQL's programs.
        folder: an empty folder; data, socket and log go there.
        durable: as in production; otherwise nothing is forced to the disk.
    """

    def __init__(self, binaries: Path, folder: Path, *, durable: bool = False) -> None:
        self._binaries, self.folder = binaries, folder
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
        self._user = _as_other_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if self._user:
            os.chown(folder, self._user["user"], self._user["group"])
        options = ("--auth=trust", f"--username={_ADMIN}", "--encoding=UTF8", "--locale=C", "--no-sync")
        done = self._run("initdb", f"--pgdata={self._data}", *options)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr}")
        rules = f"local all {GUARDED} scram-sha-256\nlocal all all trust\n"
        (self._data / "pg_hba.conf").write_text(rules)
        self.start()
        role, guarded = sql.Identifier(ROLE), sql.Identifier(GUARDED)
        with self.admin() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(guarded, PASSWORD, role))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._binaries / name), *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, **self._user)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-k", str(self.folder)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        if shutil.which("setpriv"):  # not even a killed test run leaves a server behind
            command = ["setpriv", "--pdeathsig", "INT", *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._user
            )
        _servers.add(self._process.pid)
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                self.admin().close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()}") from error
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends its sessions and closes the data, SIGQUIT is a crash."""
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children() if self._process.poll() is None else []
        self._process.send_signal(how)
        self._process.wait(_READY_S)
        psutil.wait_procs(family, _READY_S)
        _servers.discard(self._process.pid)
        self._process = None

    def admin(self, database: str = _ADMIN) -> psycopg.Connection[Any]:
        """Return a connection of the cluster's superuser."""
        return psycopg.connect(host=str(self.folder), user=_ADMIN, dbname=database, autocommit=True)

    def url(self, database: str) -> str:
        """Return the URL a store in a database has."""
        return f"postgresql+psycopg://{ROLE}@/{database}?host={self.folder}"

    def create_database(self, template: str | None = None) -> str:
        """Create a database and return its name.

        Args:
            template: a database to copy; nobody may be connected to it.
        """
        self._databases += 1
        name = f"test_{self._databases}"
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY {}").format(
            *(sql.Identifier(word) for word in (name, ROLE, template or "template0", "file_copy"))
        )
        with self.admin() as connection:
            connection.execute(statement)
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database; whoever is still connected to it has forgotten to close a connection.

        Raises:
            psycopg.errors.ObjectInUse: a connection is open.
        """
        statement = sql.SQL("DROP DATABASE {}").format(sql.Identifier(name))
        deadline = time.monotonic() + _READY_S  # the session of a closed connection ends a moment later
        with self.admin() as connection:
            while True:
                try:
                    connection.execute(statement)
                    return
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(0.02)


@contextmanager
def temporary_cluster(binaries: Path, *, durable: bool = False) -> Iterator[Cluster]:
    """Run a server in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="opticstream-pg-"))
    cluster = None
    try:
        cluster = Cluster(binaries, folder, durable=durable)
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder)
