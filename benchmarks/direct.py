"""How long a stable batch waits in direct mode until its flow's body runs.

Run as ``python benchmarks/direct.py [--small]``. ``opticstream oct watch`` runs as people run it, in a home of its own
with its own server; one batch at a time is written. Times come from the state store: registered → claimed is what
the watcher, Prefect and the claim take; settled → claimed has the wait for the next look at the folder in it too. The
plain way is the time a flow with an empty body takes to reach it, on the same server.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from _emit import emit as result
from sqlalchemy import select

from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.deployments.server import start_server, stop_server
from opticstream.imaging.nifti import nifti_header
from opticstream.imaging.oct_simulator import SimulationSpec, simulate_tile
from opticstream.state import OCT_TREE, open_database, setup_project
from opticstream.state.tables import claims, units

emit = partial(result, "direct")

_STABILITY_S, _POLL_S = 0.5, 0.1
_PLAIN = """
import sys, time
from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

@flow
def empty():
    return time.time()

with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
    for _ in range(int(sys.argv[1]) + 1):
        began = time.time()
        print(empty() - began, flush=True)
"""


def main(batches: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        home = Path(name) / "home"
        settings = load_settings(home=home, server_port=0)
        environment = os.environ | {"OPTICSTREAM_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
        try:
            environment["PREFECT_API_URL"] = start_server(settings).url
            plain = _plain(environment, batches)
            _watch(settings, environment, Path(name), batches, plain)
        finally:
            stop_server(settings)


def _plain(environment: dict[str, str], runs: int) -> float:
    command = [sys.executable, "-c", _PLAIN, str(runs)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    seconds = [float(line) for line in done.stdout.split()][1:]  # the first one connects
    emit("empty flow", "call → body, median", round(statistics.median(seconds), 4), "s")
    return statistics.median(seconds)


def _watch(settings: Settings, environment: dict[str, str], folder: Path, batches: int, plain: float) -> None:
    tiles = folder / "tiles"
    tiles.mkdir()
    acquisition = OCTAcquisition(grid_size_x_normal=batches + 1, grid_size_y=2, tile_saving_type="complex")
    config = PSOCTScanConfig(project_name="bench", project_base_path=folder / "products", acquisition=acquisition)
    _, volume = simulate_tile(SimulationSpec(shape=(32, 32, 64)), 1, 1)
    content = nifti_header(volume.shape[::-1], (0.01, 0.01, 0.0025), "tile") + volume.tobytes()
    options = ["--stability-seconds", str(_STABILITY_S), "--poll-interval", str(_POLL_S)]
    command = [sys.executable, "-m", "opticstream", "oct", "watch", "bench", str(tiles), *options]
    settled: dict[int, float] = {}
    with open_database(settings) as database:
        setup_project(database, OCT_TREE, "bench", config)
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as watch:
            for batch in range(1, batches + 2):
                for tile in (2 * batch - 1, 2 * batch):
                    (tiles / f"mosaic_001_image_{tile:04d}_processed_cropped_focus.nii").write_bytes(content)
                settled[batch] = time.time() + _STABILITY_S
                deadline = time.monotonic() + 60
                while True:
                    with database.peek() as connection:
                        done = connection.execute(select(units.c.id).where(units.c.status == "completed")).all()
                    if len(done) == batch:
                        break
                    if time.monotonic() > deadline:
                        raise SystemExit(f"batch {batch} was not processed within a minute")
                    time.sleep(0.05)
            watch.send_signal(signal.SIGTERM)
        with database.peek() as connection:
            statement = select(units.c.n3, units.c.created_at, claims.c.claimed_at)
            rows = connection.execute(
                statement.join(claims, claims.c.unit_id == units.c.id).where(units.c.n3 > 1).order_by(units.c.n3)
            ).all()
    # The first batch also waits for the server's answer and the kernels.
    waits = [row.claimed_at - row.created_at for row in rows]
    emit(
        f"{len(rows)} batches",
        "registered → flow body, median",
        round(statistics.median(waits), 4),
        "s",
        ratio=statistics.median(waits) / plain,
        against="call → body of an empty Prefect flow",
    )
    emit(f"{len(rows)} batches", "registered → flow body, worst", round(max(waits), 4), "s")
    whole = [row.claimed_at - settled[row.n3] for row in rows]
    emit(f"{len(rows)} batches", "stable → flow body, median", round(statistics.median(whole), 4), "s")
    emit(f"{len(rows)} batches", "stable → flow body, worst", round(max(whole), 4), "s")


if __name__ == "__main__":
    main(5 if "--small" in sys.argv[1:] else 30)
