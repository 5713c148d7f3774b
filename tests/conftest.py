"""Fixtures every room's tests share, and the checks that fail a test which leaves something behind."""

import contextlib
import gc
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings as hypothesis_settings

from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.api import send_pending
from opticstream.deployments.server import start_server, stop_server
from support.postgres import Cluster, find_binaries, server_processes, temporary_cluster

# How long an example takes says what else the machine does.
hypothesis_settings.register_profile("untimed", hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("untimed")

for _name, _heard in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    # A shell lets what it starts in the background ignore them; commands under test inherit that, and some get them.
    if (_signal := getattr(signal, _name, None)) is not None and signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _heard)

_SHARED_MEMORY = Path("/dev/shm")
# Threads of libraries that live as long as the process and hold nothing of a test's.
_LASTING_THREADS = (
    *("asyncio_", "ThreadPoolExecutor-", "APILogWorker", "EventsWorker", "GlobalEventLoop", "portal", "zarr_io"),
)

_LEAVING_S = 30
"""How long what a test has ended may take to be gone."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Path:
    """Return an application home of this test's own; compiled kernels are shared."""
    folder = tmp_path / "home"
    monkeypatch.setenv("OPTICSTREAM_KERNEL_CACHE", str(pytestconfig.cache.mkdir("kernels")))
    monkeypatch.setenv("OPTICSTREAM_HOME", str(folder))
    monkeypatch.setenv("PREFECT_HOME", str(folder / "prefect"))
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real Prefect API that the whole session shares."""
    settings = load_settings(home=tmp_path_factory.mktemp("server"), server_port=0)
    try:
        yield start_server(settings).url
        send_pending()
    finally:
        stop_server(settings)


@pytest.fixture
def prefect_api(server: str, home: Path) -> Iterator[str]:
    """Point this process's Prefect client at the session's server."""
    (home / "prefect").mkdir(parents=True)
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings({PREFECT_API_URL: server, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield server


@pytest.fixture(scope="session")
def postgres_binaries() -> Path:
    """Return the folder of PostgreSQL's server programs; without them a test is skipped, but not where all must run."""
    found = find_binaries()
    if found is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL's server is not installed (`make system`)")
    assert found is not None, "PostgreSQL's server is not installed: `make system`"
    return found


@pytest.fixture(scope="session")
def postgres(postgres_binaries: Path) -> Iterator[Cluster]:
    """Return a PostgreSQL server that the whole session shares; each test makes databases of its own."""
    with temporary_cluster(postgres_binaries) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """Return the URL of an empty database of this test's own."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def settings(home: Path) -> Settings:
    """Return settings without waits between attempts."""
    return load_settings(retry_backoff_s=(0.0,))


def _threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if not any(name in t.name for name in _LASTING_THREADS)}


def _children() -> set[psutil.Process]:
    found = {child for child in psutil.Process().children() if child.pid not in server_processes()}
    for child in tuple(found):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.update(child.children(recursive=True))
    return found


def _shared_memory() -> set[str]:
    return {path.name for path in _SHARED_MEMORY.iterdir()} if _SHARED_MEMORY.is_dir() else set()


def _shared_elsewhere() -> set[str]:
    """Return the shared memory that is mapped by other runs on this machine, told by their process group."""
    found: set[str] = set()
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) != os.getpgrp():
                found.update(re.findall(r"/dev/shm/(\S+)", Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")))
    return found


def _sockets() -> set[tuple[object, ...]]:
    own = psutil.Process()
    return {(c.fd, c.laddr) for c in own.net_connections("inet") if c.status == psutil.CONN_LISTEN}


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a passing test that leaves threads, processes, listening sockets or shared memory behind."""
    if "server" in request.fixturenames:  # the session's server and its client threads outlive one test
        yield
        return
    before = _threads(), _children(), _sockets(), _shared_memory()
    yield
    if getattr(request.node, "failed", False):
        return
    deadline = time.monotonic() + _LEAVING_S
    while True:
        left = [
            sorted(map(str, new - old))
            for old, new in zip(before, (_threads(), _children(), _sockets(), _shared_memory()), strict=True)
        ]
        if left[-1]:
            left[-1] = sorted(set(left[-1]) - _shared_elsewhere())
        if not any(left) or time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.05)
    names = ("threads", "processes", "listening sockets", "shared memory")
    problems = [f"{name}: {', '.join(found)}" for name, found in zip(names, left, strict=True) if found]
    assert not problems, f"the test left behind {'; '.join(problems)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember whether the test's body failed, so that a leak does not hide the reason."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True
    return report
