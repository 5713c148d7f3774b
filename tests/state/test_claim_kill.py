"""Claim, token, commit under SIGKILL, sleeps past the lease and a store that restarts, with an empty body."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.state import OCT_TREE, Database, open_database, setup_project
from opticstream.state.tables import claims
from support.claims_audit import committed_tokens, statuses
from support.kills import a_holder, campaign_chance, sleep_past_lease
from support.postgres import Cluster, temporary_cluster
from support.waiting import until

WORKER = Path(__file__).with_name("claim_worker.py")
HOSTS = ("alpha", "alpha", "beta")
BATCHES = 40
LEASE_S = 0.6


def _start(host: str, out: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "OPTICSTREAM_HOST_NAME": host,
        "OPTICSTREAM_LEASE_S": str(LEASE_S),
        "OPTICSTREAM_MAX_ATTEMPTS": "1000",
        "OPTICSTREAM_RETRY_BACKOFF_S": "[0]",
    }
    return subprocess.Popen([sys.executable, str(WORKER), str(out)], env=environment)


class Workers:
    """Processes that work on one project, and the blows they get."""

    def __init__(self, database: Database, out: Path, chance: random.Random) -> None:
        self._database, self._out, self._chance = database, out, chance
        self.all = [_start(host, out) for host in HOSTS]

    def wait_for_all(self) -> None:
        """Wait until each has worked: one that starts while the store is away ends with an error."""

        def seen() -> set[int]:
            with self._database.peek() as connection:
                return set(connection.execute(select(claims.c.pid)).scalars())

        until(lambda: seen() >= {process.pid for process in self.all}, "each worker works")

    def kill_or_stop(self, point: int) -> None:
        """Kill a holder, or let it sleep past its lease and wake up to find a successor."""
        victim = a_holder(self._database, self.all, self._chance)
        if point % 2:
            self.all[victim].kill()
            self.all[victim].wait()
            self.all[victim] = _start(HOSTS[victim], self._out)
        else:
            sleep_past_lease(self.all[victim].pid, LEASE_S, self._chance)


def _campaign(
    chance: random.Random,
    points: int,
    out: Path,
    settings: Settings,
    blow: Callable[[Workers, int], object] = Workers.kill_or_stop,
) -> None:
    out.mkdir()
    acquisition = OCTAcquisition(grid_size_x_normal=BATCHES, grid_size_x_tilted=BATCHES)
    config = PSOCTScanConfig(project_name="kill", project_base_path=out, acquisition=acquisition)
    with open_database(settings) as database:
        state = setup_project(database, OCT_TREE, "kill", config)
        workers = Workers(database, out, chance)
        mosaics = points // 2
        pending = [batch_id("kill", mosaic, batch, 2) for mosaic in range(1, mosaics + 1) for batch in range(1, 41)]
        total = len(pending)
        try:
            for point in range(points):
                for _ in range(min(len(pending), -(-total // points))):
                    state.register_ready(pending.pop(), fingerprint="f", source={}, dispatch="run")
                time.sleep(chance.uniform(0.05, 0.9))
                blow(workers, point)
            until(lambda: statuses(database).get("completed") == total, "all is completed", 120 + 0.6 * total)
        finally:
            (out / "stop").touch()
            codes = [worker.wait(60) for worker in workers.all]
        assert codes == [0] * len(HOSTS), "a worker met something else than a lost claim"
        tokens = committed_tokens(database)
        assert len(tokens) == total
        for unit, token in tokens.items():
            mosaic, batch = (int(part.rpartition("-")[2]) for part in unit.split("/")[-2:])
            published = (out / f"{mosaic}-{batch}.txt").read_text()
            assert published == str(token), f"{unit}: token {token} committed, file of {published} published"
        assert not list(out.glob(".*.tmp"))
        # Every mosaic whose batches are all there is ready, however its last two batches were finished.
        assert statuses(database, "mosaic") == {"ready": mosaics}


@pytest.mark.slow
def test_kills_and_sleeps_lose_nothing(tmp_path: Path, back_end: str) -> None:
    _campaign(campaign_chance(), 12, tmp_path / "out", load_settings())


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_two_hundred_kills(tmp_path: Path, back_end: str) -> None:
    _campaign(campaign_chance(), 200, tmp_path / "out", load_settings())


def _restart(workers: Workers, cluster: Cluster, chance: random.Random, point: int) -> None:
    workers.wait_for_all()
    cluster.stop(signal.SIGQUIT if point % 2 else signal.SIGINT)  # every other time it crashes
    time.sleep(chance.uniform(0, 1))
    cluster.start()


def _restarts(points: int, binaries: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = campaign_chance()
    with temporary_cluster(binaries, durable=True) as cluster:
        monkeypatch.setenv("OPTICSTREAM_STATE_URL", cluster.url(cluster.create_database()))
        _campaign(
            chance, points, out, load_settings(), lambda workers, point: _restart(workers, cluster, chance, point)
        )


@pytest.mark.slow
def test_a_store_that_restarts_and_crashes_loses_nothing(
    tmp_path: Path, home: Path, postgres_binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _restarts(4, postgres_binaries, tmp_path / "out", monkeypatch)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_forty_restarts(tmp_path: Path, home: Path, postgres_binaries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _restarts(40, postgres_binaries, tmp_path / "out", monkeypatch)
