"""Watchers and a flow worker on one folder under SIGKILL and stops past the lease, batches arriving meanwhile."""

import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from opticstream.core.settings import load_settings
from opticstream.state import Database, open_database
from opticstream.state.tables import claims
from support.claims_audit import committed_tokens, statuses
from support.command import command_environment, command_line, run_command, worker_line
from support.crew import Crew
from support.kills import a_holder, campaign_chance, sleep_past_lease
from support.nursery import Nursery
from support.oct_folder import set_up, small_config, write_batch
from support.products_audit import check_products

LEASE_S = 1.5


class _Rig:
    """A folder, a project, two watchers and one flow worker, each on a host of its own."""

    def __init__(self, home: Path, server: str, forks: Nursery | None, mosaics: int, batches: int) -> None:
        self.folder, self.base = home.parent / "tiles", home.parent / "products"
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
        watch = ("oct", "watch", "brain", self.folder, "--stability-seconds", "0.3", "--poll-interval", "0.1")
        worker = worker_line(home.parent / "stop", "brain", "process_tile_batch")
        self.crew = Crew([command_line(*watch), command_line(*watch), worker], self.environment, home.parent, forks)


def _campaign(chance: random.Random, points: int, home: Path, server: str, forks: Nursery | None) -> None:
    mosaics, batches = max(2, points // 6), 12
    rig = _Rig(home, server, forks, mosaics, batches)
    pending = [(mosaic, batch) for batch in range(1, batches + 1) for mosaic in range(1, mosaics + 1)]
    per_point = -(-len(pending) // points)
    with open_database(rig.settings) as database:
        try:
            for point in range(points):
                for _ in range(min(len(pending), per_point)):
                    write_batch(rig.folder, *pending.pop(0))
                victim = a_holder(database, rig.crew.processes, chance, wait_s=60)
                time.sleep(chance.uniform(0, 0.3))
                if point % 2:
                    sleep_past_lease(rig.crew.processes[victim].pid, LEASE_S, chance)
                else:
                    rig.crew.kill(victim)
                    rig.crew.restart(victim)
            _await_all(database, rig, mosaics * batches)
        finally:
            codes = rig.crew.end()
        assert codes == [0, 0, 0], rig.crew.log
        check_products(database, rig.base, mosaics * batches)


def _await_all(database: Database, rig: _Rig, total: int) -> None:
    deadline = time.monotonic() + 240 + 4 * total
    while (found := statuses(database)) != {"completed": total}:
        assert time.monotonic() < deadline, f"{found}\n{rig.crew.log}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_and_stops_lose_and_double_nothing(home: Path, server: str, forks: Nursery | None) -> None:
    home.mkdir()
    _campaign(campaign_chance(), 12, home, server, forks)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_two_hundred_blows(home: Path, server: str, forks: Nursery | None) -> None:
    home.mkdir()
    _campaign(campaign_chance(), 200, home, server, forks)


@pytest.mark.slow
@pytest.mark.timeout(600)
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
    return [process.wait(240) for process in processes]
