"""How long a stable batch waits in event mode until its flow's body runs, and what a backlog costs.

Run as ``python benchmarks/dispatch.py [--small]``. ``opticstream oct watch --no-direct`` and ``opticstream oct serve``
run as people run them, in a home of their own with an embedded server. Times come from the state store: a batch is
stable ``--stability-seconds`` after its last tile was written; its flow's body runs when it is claimed. The plain way
is a flow with an empty body served with Prefect's own defaults, started by the same kind of event.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
from _emit import emit as result
from sqlalchemy import delete, select, update

from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import load_settings
from opticstream.deployments.server import start_server, stop_server
from opticstream.imaging.nifti import nifti_header
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_tile
from opticstream.state import OCT_TREE, Database, open_database, setup_project
from opticstream.state.tables import claims, outbox, units

emit = partial(result, "dispatch")

_STABILITY_S, _POLL_S = 0.5, 0.2
_AGAINST = "an empty flow, served and triggered with Prefect's defaults"
_PLAIN = """
import sys, time
from prefect import flow
from prefect.events import DeploymentEventTrigger

@flow
def empty(sent: str, file: str):
    with open(file, "a") as handle:
        print(time.time() - float(sent), file=handle)

if __name__ == "__main__":
    trigger = DeploymentEventTrigger(
        name="plain",
        expect={"bench.plain"},
        parameters={"sent": "{{ event.payload.sent }}", "file": "{{ event.payload.file }}"},
    )
    empty.serve(name="plain", triggers=[trigger], pause_on_shutdown=False)
"""


def main(batches: int, backlog: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name)
        settings = load_settings(home=folder / "home", server_port=0)
        environment = os.environ | {
            "OPTICSTREAM_HOME": str(settings.home),
            "PREFECT_HOME": str(settings.home / "prefect"),
        }
        try:
            url = environment["PREFECT_API_URL"] = start_server(settings).url
            with open_database(settings) as database:
                setup_project(database, OCT_TREE, "bench", configuration(folder, batches + backlog))
                overhead(environment, database, folder, backlog)
                plain = plain_waits(environment, folder, url, max(3, batches // 2))
                with processes(environment, folder):
                    isolated(database, folder, batches, plain)
                    burst(database, folder, url, batches, backlog)
        finally:
            stop_server(settings)


def configuration(folder: Path, batches: int) -> PSOCTScanConfig:
    acquisition = OCTAcquisition(grid_size_x_normal=batches, grid_size_y=2, tile_saving_type="complex")
    return PSOCTScanConfig(project_name="bench", project_base_path=folder / "products", acquisition=acquisition)


def overhead(environment: dict[str, str], database: Database, folder: Path, number: int) -> None:
    """Measure what the relay and reconcile cost this process for each unit; nobody serves the project."""
    os.environ.update(environment)
    from opticstream.deployments.job_deployment import job_deployment
    from opticstream.deployments.relay import Relay
    from opticstream.deployments.relay_api import RelayApi
    from opticstream.tasks.jobs import BATCHES
    from opticstream.tasks.reconcile import reconcile_project

    config = configuration(folder, number).model_copy(update={"project_name": "cost"})
    state = setup_project(database, OCT_TREE, "cost", config)
    job_deployment(BATCHES, "cost", triggered=False).apply()
    for batch in range(1, number + 1):
        source = {"file_list": [f"tile_{batch}.nii"], "project_base_path": str(folder)}
        state.register_ready(batch_id("cost", 1, batch, 2), fingerprint="f", source=source, dispatch="event")
    with RelayApi(database.settings) as api, Relay(database, api) as relay:
        began = time.process_time()
        waiting = relay.flush("cost", 120.0).waiting
        spent = time.process_time() - began
    if waiting:
        raise SystemExit(f"{waiting} of {number} events were not delivered in 120 s")
    emit(f"{number} events at once", "relay, per unit", round(1000 * spent / number, 2), "CPU ms")
    with database.write("bench") as connection:
        connection.execute(update(units).values(updated_at=units.c.updated_at - 1000))
    reconcile_project(state, BATCHES)  # imports, and the few runs it may add
    began = time.process_time()
    looks = 5
    for _ in range(looks):
        found = reconcile_project(state, BATCHES)
    spent = time.process_time() - began
    if found.stalled != number:
        raise SystemExit(f"reconcile saw {found.stalled} of {number} stalled units")
    emit(f"{number} stalled units", "reconcile, per unit and look", round(1000 * spent / looks / number, 3), "CPU ms")
    delete_project_rows(database)


def delete_project_rows(database: Database) -> None:
    """Forget the units of the cost measurement, so that later counts are of the watched ones alone."""
    with database.write("bench") as connection:
        for table in (outbox, units):
            connection.execute(delete(table))


@contextmanager
def processes(environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Run a watcher and a served deployment."""
    (folder / "tiles").mkdir()
    command = [sys.executable, "-m", "opticstream", "oct"]
    options = ["--no-direct", "--stability-seconds", str(_STABILITY_S), "--poll-interval", str(_POLL_S)]
    commands = (
        [*command, "serve", "bench", "--limit", "2"],
        [*command, "watch", "bench", str(folder / "tiles"), *options],
    )
    running = [
        subprocess.Popen(one, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in commands
    ]
    try:
        time.sleep(12)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(40)


def write_batch(folder: Path, batch: int) -> float:
    """Write a batch of two small tiles; return when it is stable."""
    _, volume = simulate_tile(SimulationSpec(shape=(32, 32, 64)), 1, 1)
    content = nifti_header(volume.shape[::-1], (0.01, 0.01, 0.0025), "tile") + volume.tobytes()
    for tile in (2 * batch - 1, 2 * batch):
        (folder / "tiles" / f"mosaic_001_image_{tile:04d}_processed_cropped_focus.nii").write_bytes(content)
    return time.time() + _STABILITY_S


def completed(database: Database) -> int:
    with database.peek() as connection:
        rows = connection.execute(select(units.c.id).where(units.c.level == "batch", units.c.status == "completed"))
        return len(rows.all())


def await_completed(database: Database, number: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while completed(database) < number:
        if time.monotonic() > deadline:
            raise SystemExit(f"{completed(database)} of {number} batches processed after {patience_s:g} s")
        time.sleep(0.05)


def plain_waits(environment: dict[str, str], folder: Path, url: str, events: int) -> float:
    """Return the median wait from an event to the body of an empty flow under Prefect's defaults."""
    script, file = folder / "plain.py", folder / "plain.txt"
    script.write_text(_PLAIN)
    file.touch()
    command = [sys.executable, str(script)]
    served = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(12)
        for number in range(events):
            event = {
                "id": str(uuid.uuid4()),
                "event": "bench.plain",
                "occurred": datetime.now(UTC).isoformat(),
                "resource": {"prefect.resource.id": "bench.plain"},
                "payload": {"sent": str(time.time()), "file": str(file)},
            }
            httpx.post(f"{url}/events", json=[event], timeout=30).raise_for_status()
            deadline = time.monotonic() + 90
            while len(file.read_text().split()) <= number:
                if time.monotonic() > deadline:
                    raise SystemExit("the plain flow did not run within 90 s")
                time.sleep(0.05)
            time.sleep(3)
    finally:
        served.terminate()
        served.wait(40)
    waits = sorted(float(line) for line in file.read_text().split())
    emit(f"{len(waits)} events one by one", "plain: event → flow body, p50", round(statistics.median(waits), 3), "s")
    return statistics.median(waits)


def isolated(database: Database, folder: Path, batches: int, plain: float) -> None:
    stable = {}
    for batch in range(1, batches + 1):
        stable[batch] = write_batch(folder, batch)
        await_completed(database, batch, 60)
        time.sleep(1.5)  # its run ends
    with database.peek() as connection:
        statement = select(units.c.n3, units.c.created_at, claims.c.claimed_at)
        rows = connection.execute(statement.join(claims, claims.c.unit_id == units.c.id).order_by(units.c.n3)).all()
    waits = sorted(row.claimed_at - stable[row.n3] for row in rows[1:])
    case = f"{len(waits)} batches one by one"
    median = statistics.median(waits)
    emit(case, "stable → flow body, p50", round(median, 3), "s", ratio=median / plain, against=_AGAINST)
    emit(case, "stable → flow body, p95", round(waits[int(0.95 * (len(waits) - 1))], 3), "s")
    emit(case, "stable → flow body, worst", round(waits[-1], 3), "s")


def burst(database: Database, folder: Path, url: str, before: int, backlog: int) -> None:
    began = time.monotonic()
    for batch in range(before + 1, before + backlog + 1):
        write_batch(folder, batch)
    await_completed(database, before + backlog, 60 + 12 * backlog)
    elapsed = time.monotonic() - began
    time.sleep(10)  # runs that find nothing to do end, too
    runs = 0
    while page := _runs(url, runs):
        runs += len(page)
    with database.peek() as connection:
        taken = len(connection.execute(select(claims.c.token)).all())
    case = f"backlog of {backlog} batches, 2 at a time"
    emit(case, "all processed", round(elapsed, 1), "s")
    emit(case, "runs made for nothing", runs - taken, "1")


def _runs(url: str, offset: int) -> list[object]:
    body = {
        "flows": {"name": {"any_": ["process_tile_batch_event_flow"]}},
        "deployments": {"name": {"any_": ["oct-bench"]}},
        "limit": 200,
        "offset": offset,
    }
    found: list[object] = httpx.post(f"{url}/flow_runs/filter", json=body, timeout=30).raise_for_status().json()
    return found


if __name__ == "__main__":
    small = "--small" in sys.argv[1:]
    main(4 if small else 20, 6 if small else 100)
