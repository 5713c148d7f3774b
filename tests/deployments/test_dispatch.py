"""Event mode end to end: watchers announce, a served deployment processes, whatever dies on the way."""

import contextlib
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from opticstream.state import open_database
from opticstream.state.tables import claims
from support.command import run_command
from support.kills import campaign_chance, holding_pids, sleep_past_lease
from support.postgres import Cluster
from support.site import LEASE_S, Site
from support.waiting import until


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_one_event_one_run_and_the_server_may_come_late(site: Site) -> None:
    """Watched while no server is there; then served: every batch is processed by one run of its own name."""
    # On a busy machine a trigger may take its time, and a run may stand still for longer than a short lease.
    site.environment |= {"OPTICSTREAM_RECONCILE_AFTER_S": "600", "OPTICSTREAM_LEASE_S": "600"}
    site.arrive(4)
    watch = ("oct", "watch", "brain", site.folder, "--once", "--no-direct", "--stability-seconds", "0.3")
    said = run_command(site.environment, *watch, "--poll-interval", "0.1").stdout
    assert "Batches announced here: 4" in said and "4 events wait for the Prefect API" in said
    site.server()
    site.start("oct", "serve", "brain", "--limit", "2")
    site.await_all(4, 240)
    site.check(4)
    runs = site.runs()
    assert sorted(run["name"] for run in runs) == [f"brain/mosaic-00{m}/batch-00{b}" for m in (1, 2) for b in (1, 2)]
    until(lambda: {run["state_type"] for run in site.runs()} == {"COMPLETED"}, "every run's end", every_s=0.2)
    with open_database(site.settings) as database, database.peek() as connection:
        assert len(connection.execute(select(claims)).all()) == 4  # no run was made for nothing


def _campaign(chance: random.Random, points: int, site: Site) -> None:
    """Blow after blow to whoever is at work; every sixth one hits the server."""
    site.server()
    for _ in range(2):
        site.watch()
        site.start("oct", "serve", "brain", "--limit", "1")
    total = len(site.pending)
    per_point = -(-total // points)
    with open_database(site.settings) as database:
        for point in range(points):
            site.arrive(per_point)
            time.sleep(chance.uniform(0, 1))
            if point % 6 == 3:
                site.kill_server(signal.SIGTERM if point % 12 == 3 else signal.SIGKILL)
                site.arrive(per_point)
                time.sleep(chance.uniform(0, 4))
                site.server()
            elif point % 2:
                # Runs are processes of their own: the one that holds a claim is stopped, not its server.
                pids = holding_pids(database) or {process.pid for process in site.processes}
                with contextlib.suppress(psutil.NoSuchProcess):
                    sleep_past_lease(chance.choice(sorted(pids)), LEASE_S, chance)
            else:
                site.kill(chance.randrange(len(site.processes)))
    site.await_all(total, 300 + 10 * total)
    site.check(total)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_blows_lose_and_double_nothing(site: Site) -> None:
    _campaign(campaign_chance(), 12, site)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_lab_on_postgresql_that_restarts(home: Path, postgres: Cluster, postgres_url: str) -> None:
    """Two watchers and two served deployments share the store; each of their relays may deliver each event."""
    home.mkdir()
    site = Site(home, 2, 2, postgres_url)
    try:
        site.server()
        for _ in range(2):
            site.watch()
            site.start("oct", "serve", "brain", "--limit", "1")
        site.await_serving(2)  # a store that is away at the start is an error, not an outage
        site.await_watching()
        for _ in range(4):
            site.arrive(1)
            time.sleep(1)
            postgres.stop()
            time.sleep(0.5)
            postgres.start()
        site.await_all(4, 300)
        site.check(4)
        assert all(process.poll() is None for process in site.processes)
    finally:
        site.end()


@pytest.mark.torture
@pytest.mark.timeout(5400)
def test_two_hundred_blows(large_site: Site) -> None:
    _campaign(campaign_chance(), 200, large_site)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_the_server_is_away_for_two_minutes(site: Site) -> None:
    """Batches arrive all the while; the watcher and the worker are the same processes before and after."""
    site.server()
    site.start("oct", "serve", "brain", "--limit", "2")
    site.watch()
    site.arrive(2)
    site.await_all(2, 90)
    site.kill_server(signal.SIGKILL)
    began = time.monotonic()
    while time.monotonic() - began < 120:
        site.arrive(1)
        time.sleep(8)
    site.server()
    site.arrive(len(site.pending))
    site.await_all(site.total, 300)
    assert all(process.poll() is None for process in site.processes)
    site.check(site.total)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_three_hundred_batches_at_once(home: Path) -> None:
    home.mkdir()
    site = Site(home, 2, 150)
    try:
        site.server()
        site.start("oct", "serve", "brain", "--limit", "2")
        site.arrive(300)
        site.watch()
        site.await_all(300, 3000)
        site.check(300)
        with open_database(site.settings) as database, database.peek() as connection:
            taken = len(connection.execute(select(claims)).all())
        print(f"{len(site.runs())} runs for {taken} claims")
    finally:
        site.end()
