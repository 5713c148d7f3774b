"""Watchers and a flow worker on one folder under SIGKILL and stops past the lease, batches arriving meanwhile."""

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from opticstream.core.settings import load_settings
from opticstream.state import Database, open_database
from opticstream.state.tables import claims
from support.claims_audit import committed_tokens, statuses
from support.command import command_environment, command_line, run_command
from support.kills import a_holder, campaign_chance, sleep_past_lease
from support.oct_folder import set_up, small_config, write_batch
from support.products_audit import check_products

LEASE_S = 1.5
WORKER = Path(__file__).with_name("flow_worker.py")


class _Rig:
    """A folder, a project, two watchers and one flow worker, each on a host of its own."""

    def __init__(self, home: Path, server: str, mosaics: int, batches: int) -> None:
        self.folder, self.base, self.stop = home.parent / "tiles", home.parent / "products", home.parent / "stop"
        self.folder.mkdir()
        self.environment = command_environment(
            home,
            server,
            OPTICSTREAM_LEASE_S=str(LEASE_S),
            OPTICSTREAM_MAX_ATTEMPTS="1000",
            OPTICSTREAM_RETRY_BACKOFF_S="[0]",
        )
        self.settings = load_settings(home=home, lease_s=LEASE_S)
        set_up(self.settings, small_config(self.base, batches=batches))
        self.mosaics, self.batches = mosaics, batches
        self.log = (home.parent / "log.txt").open("wb")
        self.processes = [self._start(index) for index in range(3)]

    def _start(self, index: int) -> subprocess.Popen[bytes]:
        watch = ("oct", "watch", "brain", self.folder, "--stability-seconds", "0.3", "--poll-interval", "0.1")
        command = [sys.executable, str(WORKER), str(self.stop)] if index == 2 else command_line(*watch)
        environment = self.environment | {"OPTICSTREAM_HOST_NAME": f"host-{index}"}
        return subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def kill(self, index: int) -> None:
        self.processes[index].kill()
        self.processes[index].wait()
        self.processes[index] = self._start(index)

    def end(self) -> None:
        self.stop.touch()
        for process in self.processes[:2]:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.log.close()


def _campaign(chance: random.Random, points: int, home: Path, server: str) -> None:
    mosaics, batches = max(2, points // 6), 12
    rig = _Rig(home, server, mosaics, batches)
    pending = [(mosaic, batch) for batch in range(1, batches + 1) for mosaic in range(1, mosaics + 1)]
    per_point = -(-len(pending) // points)
    with open_database(rig.settings) as database:
        try:
            for point in range(points):
                for _ in range(min(len(pending), per_point)):
                    write_batch(rig.folder, *pending.pop(0))
                victim = a_holder(database, rig.processes, chance, wait_s=15)
                time.sleep(chance.uniform(0, 0.3))
                if point % 2:
                    sleep_past_lease(rig.processes[victim].pid, LEASE_S, chance)
                else:
                    rig.kill(victim)
            _await_all(database, rig, mosaics * batches)
        finally:
            rig.end()
        assert [process.returncode for process in rig.processes] == [0, 0, 0], Path(rig.log.name).read_text()[-3000:]
        check_products(database, rig.base, mosaics * batches)


def _await_all(database: Database, rig: _Rig, total: int) -> None:
    deadline = time.monotonic() + 60 + total
    while (found := statuses(database)) != {"completed": total}:
        assert time.monotonic() < deadline, f"{found}\n{Path(rig.log.name).read_text()[-3000:]}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kills_and_stops_lose_and_double_nothing(home: Path, server: str) -> None:
    home.mkdir()
    _campaign(campaign_chance(), 12, home, server)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_two_hundred_blows(home: Path, server: str) -> None:
    home.mkdir()
    _campaign(campaign_chance(), 200, home, server)


@pytest.mark.slow
def test_two_watchers_never_double(home: Path, server: str) -> None:
    folder, base = home.parent / "tiles", home.parent / "products"
    folder.mkdir()
    settings = load_settings(home=home)
    set_up(settings, small_config(base, batches=6))
    for batch in range(1, 7):
        write_batch(folder, 1, batch)
    watch = ("oct", "watch", "brain", folder, "1:1", "--once", "--stability-seconds", "0.3", "--poll-interval", "0.1")
    both = [subprocess.Popen(command_line(*watch), env=command_environment(home, server)) for _ in range(2)]
    assert _codes(both) == [0, 0]
    with open_database(settings) as database:
        assert len(committed_tokens(database)) == 6
        with database.peek() as connection:
            assert len(connection.execute(select(claims)).all()) == 6  # nobody even tried a batch of the other's
    assert "nothing to do" in run_command(command_environment(home, server), *watch).stdout


def _codes(processes: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    return [process.wait(60) for process in processes]
