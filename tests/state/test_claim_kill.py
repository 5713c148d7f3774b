"""Claim, token, commit under SIGKILL and under sleeps past the lease, with an empty body."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.state import OCT_TREE, open_database, setup_project
from support.claims_audit import committed_tokens, statuses
from support.kills import a_holder, campaign_chance, sleep_past_lease

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


def _campaign(chance: random.Random, points: int, out: Path, settings: Settings) -> None:
    out.mkdir()
    acquisition = OCTAcquisition(grid_size_x_normal=BATCHES, grid_size_x_tilted=BATCHES)
    config = PSOCTScanConfig(project_name="kill", project_base_path=out, acquisition=acquisition)
    with open_database(settings) as database:
        state = setup_project(database, OCT_TREE, "kill", config)
        workers = [_start(host, out) for host in HOSTS]
        mosaics = points // 2
        pending = [batch_id("kill", mosaic, batch, 2) for mosaic in range(1, mosaics + 1) for batch in range(1, 41)]
        total = len(pending)
        try:
            for point in range(points):
                for _ in range(min(len(pending), -(-total // points))):
                    state.register_ready(pending.pop(), fingerprint="f", source={}, dispatch="run")
                time.sleep(chance.uniform(0.05, 0.9))
                victim = a_holder(database, workers, chance)
                if point % 2:
                    workers[victim].kill()
                    workers[victim].wait()
                    workers[victim] = _start(HOSTS[victim], out)
                else:  # a worker that sleeps past its lease, and wakes up to find a successor
                    sleep_past_lease(workers[victim].pid, LEASE_S, chance)
            deadline = time.monotonic() + 60 + 0.15 * total
            while statuses(database).get("completed", 0) < total:
                assert time.monotonic() < deadline, statuses(database)
                time.sleep(0.05)
        finally:
            (out / "stop").touch()
            codes = [worker.wait(20) for worker in workers]
        assert codes == [0] * len(workers), "a worker met something else than a lost claim"
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
def test_kills_and_sleeps_lose_nothing(tmp_path: Path, home: Path) -> None:
    _campaign(campaign_chance(), 12, tmp_path / "out", load_settings())


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_two_hundred_kills(tmp_path: Path, home: Path) -> None:
    _campaign(campaign_chance(), 200, tmp_path / "out", load_settings())
