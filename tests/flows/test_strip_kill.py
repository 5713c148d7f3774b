"""Watchers and workers on one folder of strips under SIGKILL in every phase: nothing lost, nothing doubled or left."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.settings import load_settings
from opticstream.state import Database, open_database
from support.claims_audit import statuses
from support.command import command_environment, command_line, worker_line
from support.crew import Crew
from support.kills import campaign_chance
from support.nursery import Nursery
from support.strip_phases import PHASES, Hold, holds_now, holds_of_the_dead
from support.strip_rig import LEASE_S, StripRig

_LENGTH_S = {"convert": 0.5, "archive": 0.5, "verify": 0.05, "verify archive": 0.05, "": 1.0}
"""How long a phase takes about; those not named are over in milliseconds, and are hit at once."""
_PATIENCE_S = 20.0


class _Campaign:
    """Blows to a crew: each waits for somebody in a phase drawn by lot, for most are seldom met by chance."""

    def __init__(self, rig: StripRig, database: Database, crew: Crew, chance: random.Random) -> None:
        self._rig, self._database, self._crew, self._chance = rig, database, crew, chance
        self._aims = ["", *(phase for phase in PHASES if rig.config.distribute_archive or phase != "archive")]
        self.hits: Counter[str] = Counter()

    def blow(self) -> None:
        """Kill a process that holds a claim, look what it had in hand, and start another in its place."""
        aim = self._chance.choice(self._aims)
        victim = self._wait_for(aim)
        time.sleep(self._chance.uniform(0, _LENGTH_S.get(aim, 0.002)))
        process = self._crew.processes[victim]
        self._crew.kill(victim)
        held = holds_of_the_dead(self._database, self._rig.config, self._crew.host(victim), process.pid)
        self.hits.update({hold.phase for hold in held} - {"beside"} or {"idle"})
        self._rig.check_raw()
        self._crew.restart(victim)

    def _wait_for(self, aim: str) -> int:
        """Return the index of a process in that phase; after a while, of any that holds a claim."""
        began, look = time.monotonic(), 0.0
        while True:
            if time.monotonic() >= look:
                self._rig.keep_busy(self._database)
                self._rig.check_raw()
                look = time.monotonic() + 0.2
            holds = holds_now(self._database, self._rig.config)
            waited = time.monotonic() - began
            found = [hold for hold in holds if hold.phase == aim or not aim or waited > _PATIENCE_S]
            if busy := self._indices(found):
                return self._chance.choice(busy)
            assert waited < 240, f"nobody works\n{self._crew.log}"
            time.sleep(0.002 if aim else 0.02)

    def _indices(self, holds: list[Hold]) -> list[int]:
        pids = {hold.pid for hold in holds}
        return [index for index, process in enumerate(self._crew.processes) if process.pid in pids]


def _run(home: Path, server: str, nursery: Nursery, points: int, **options: Any) -> Counter[str]:
    home.mkdir()
    settings = load_settings(home=home, lease_s=LEASE_S)
    rig = StripRig(settings, points + 1, archive_rate_limit=3, **options)
    environment = command_environment(
        home,
        server,
        OPTICSTREAM_LEASE_S=str(LEASE_S),
        OPTICSTREAM_MAX_ATTEMPTS="1000",
        OPTICSTREAM_RETRY_BACKOFF_S="[0]",
        OPTICSTREAM_RECONCILE_AFTER_S="1",
    )
    watch = ("lsm", "watch", "sheet", rig.raw, "--direct", "--no-pp", "--stability-seconds", "0.3")
    watcher = command_line(*watch, "--poll-interval", "0.1")
    flow = "archive_strip" if rig.config.distribute_archive else "process_strip"
    worker = worker_line(home.parent / "stop", "sheet", flow)
    with open_database(settings) as database:
        crew = Crew([watcher, watcher, worker], environment, home.parent, nursery)
        campaign = _Campaign(rig, database, crew, campaign_chance())
        try:
            for _ in range(points):
                campaign.blow()
            print(f"blows by phase: {dict(campaign.hits)}")
            _await_all(rig, database, crew)
        finally:
            codes = crew.end()
        assert codes == [0, 0, 0], crew.log
        rig.check_end(database)
        rig.check_events(database, server)
    return campaign.hits


def _await_all(rig: StripRig, database: Database, crew: Crew) -> None:
    while rig.coming:
        rig.arrive()
    total = len(rig.truth)
    deadline = time.monotonic() + 240 + 20 * total
    while (found := statuses(database, "strip")) != {"completed": total}:
        rig.check_raw()
        assert time.monotonic() < deadline, f"{found}\n{crew.log}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_lose_and_double_nothing(home: Path, server: str, nursery: Nursery) -> None:
    _run(home, server, nursery, 6, strip_cleanup_action="rename")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_on_two_hosts_that_share_the_work(home: Path, server: str, nursery: Nursery) -> None:
    _run(home, server, nursery, 6, strip_cleanup_action="delete", distribute_archive=True)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("cleanup", ["rename", "delete"])
@pytest.mark.parametrize("distribute", [False, True])
def test_sixty_blows(home: Path, server: str, nursery: Nursery, cleanup: str, distribute: bool) -> None:
    hits = _run(home, server, nursery, 60, strip_cleanup_action=cleanup, distribute_archive=distribute)
    assert sum(hits.values()) - hits["idle"] >= 30
    assert hits["convert"] and hits["plan"] + hits["clean up"]
    assert hits["archive"] or not distribute  # else it is made in the conversion's pass
