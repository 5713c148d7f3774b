"""``opticstream demo`` as a newcomer meets it, and what the Prefect UI shows afterwards."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from opticstream.deployments.demo_stage import served, wait_for_runs
from opticstream.imaging.archive import verify_archive
from opticstream.scope.truth_errors import truth_errors
from support.api import ask_api
from support.browser import chromium_page
from support.command import PATIENCE_S, command_environment, command_line, run_command
from support.prefect_pages import open_page
from support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ONE_TILE = """
import sys
from opticstream.cli.main import app
from opticstream.deployments import demo_oct
demo_oct.MOSAICS = demo_oct.BATCHES = demo_oct.TILES = 1
app(sys.argv[1:])
"""


@dataclass
class Demo:
    """A demo that was run with ``--keep``."""

    output: Path
    stdout: str
    ui: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    environment = command_environment(folder / "unused", TMPDIR=str(folder))
    output = folder / "out"
    done = run_command(environment, "demo", "--all", "--output", output, "--keep", timeout=1200)
    try:
        found = re.search(r"Prefect UI: (http://127\.0\.0\.1:\d+)", done.stdout)
        assert found, done.stdout
        yield Demo(output, done.stdout, found[1])
    finally:
        (home,) = folder.glob("opticstream-demo-*")
        run_command(command_environment(home), "server", "stop")


def test_it_ends_with_products_and_a_report(demo: Demo) -> None:
    assert len(list((demo.output / "products").rglob("*.nii"))) == 12 * 9
    for word in ("dBI", "R3D", "O3D", "aip", "biref", "report.html"):
        assert word in demo.stdout
    with chromium_page() as page:
        page.goto((demo.output / "report.html").as_uri())
        assert page.locator("h1").inner_text() == "opticstream demo"
        assert page.locator("h2").all_inner_texts() == ["PS-OCT", "Light sheet", "Launched sessions", "Live microscope"]
        assert _pictures(page) == [True] * 8


def test_the_light_sheet_ends_archived_and_joined(demo: Demo) -> None:
    products = demo.output / "light-sheet" / "products"
    assert len(list(products.glob("*.ome.zarr"))) == 3
    assert [path.name for path in products.glob("*.png")] == ["demo_sample-slice01_acq-camera-01_proc-mip.png"]
    raw = demo.output / "light-sheet" / "raw"
    assert sorted(path.name for path in (raw / "processed").iterdir()) == ["Run1", "Run1_1"]
    archives = list((demo.output / "light-sheet" / "archive").glob("demo/slice-01/channel-01/strip-*"))
    assert len(archives) == 2 and all(verify_archive(path).verified for path in archives)
    for word in ("OME-Zarr", "projection", "volume", "archive"):
        assert word in demo.stdout


def test_a_microscope_tracks_beads(demo: Demo) -> None:
    (session,) = (demo.output / "scope" / "sessions").iterdir()
    summary = json.loads((session / "scope" / "scope_session.json").read_text("utf-8"))
    assert summary["succeeded"] and summary["beads"] == 8 and summary["frames_dropped"] == 0
    (tracks,) = (session / "scope").glob("*.h5")
    found = truth_errors(tracks, session / "scope" / "ground_truth.npy", 200.0).summary()
    assert found["records"] > 500 and found["median_abs_x_px"] < 0.02 and found["median_abs_z_nm"] < 10


def test_two_rigs_launch_one_session(demo: Demo) -> None:
    """Under one name, each to its verified archive, seen as two flow runs; a third one is the microscope's."""
    launched = demo.output / "launch"
    folders = {rig: list((launched / "sessions" / rig).iterdir()) for rig in ("behavior", "imaging")}
    ((behavior,), (imaging,)) = folders.values()
    assert behavior.name == imaging.name and behavior.name.startswith("demo_mouse_")
    for rig, (folder,) in folders.items():
        end = json.loads((folder / "launcher_metadata" / "end_state.json").read_text("utf-8"))
        assert (end["outcome"], end["rig_id"], end["process_returncode"]) == ("completed", rig, 0)
        assert end["session_sync"]["roster"]["missing"] == 0
        copy = launched / "archive" / rig / folder.name
        for name in ("trials.csv", "launcher_metadata/end_state.json", "launcher_metadata/launcher.log"):
            assert (copy / name).read_bytes() == (folder / name).read_bytes()
    assert (behavior / "mouse_weight.csv").read_text("utf-8").strip().endswith(",pre,23.4")
    runs = ask_api(f"{demo.ui}/api", "flow_runs/filter", {"flows": {"name": {"any_": ["launch"]}}})
    assert {run["state_type"] for run in runs} == {"COMPLETED"}
    assert sorted(run["name"] for run in runs) == ["behavior", "imaging", "scope"]


def _pictures(page: Any) -> list[bool]:
    """Say of each picture whether the browser could draw it at a size worth looking at."""
    found: list[bool] = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 300)")
    return found


def _runs_and_tasks(demo: Demo, name: str) -> list[tuple[str, str, set[str]]]:
    """Return id, state and names of the tasks of each flow run with a name."""
    api, found = f"{demo.ui}/api", []
    for run in ask_api(api, "flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}}):
        tasks = ask_api(api, "task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        found.append((run["id"], run["state_type"], {task["name"] for task in tasks}))
    return found


def _run_with_its_tasks(demo: Demo, name: str) -> str:
    """Return the id of a batch's only flow run once the server, which stores task runs later than they end, has all."""
    everything = {"claim", "contact sheet", "verify", "commit", "publish"}
    with contextlib.suppress(AssertionError):  # what it has is told below
        until(lambda: everything <= _runs_and_tasks(demo, name)[0][2])
    ((ident, state, tasks),) = _runs_and_tasks(demo, name)
    assert (state, everything - tasks) == ("COMPLETED", set())
    return ident


def test_it_waits_for_runs_that_have_committed_to_show_it() -> None:
    """A run is a child of the process that serves; the demo must not stop that one while a run publishes."""
    child = "import sys; sys.stdin.read(1)"
    serve = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); sys.stdin.read(1)"
    with subprocess.Popen([sys.executable, "-c", serve], stdin=subprocess.PIPE) as serving:
        assert serving.stdin
        until(psutil.Process(serving.pid).children)
        operator = threading.Event()
        waiting = threading.Thread(target=wait_for_runs, args=(serving, operator))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        serving.stdin.write(b"c")
        serving.stdin.flush()
        waiting.join()
        assert serving.poll() is None, "and not for the process that serves"
        operator.set()


def test_it_does_not_wait_for_one_that_serves_no_more(tmp_path: Path) -> None:
    done = threading.Event()
    with served("no such rig", tmp_path / "serve.log", 1, done) as runs_ended:
        assert done.wait(PATIENCE_S)
        runs_ended(threading.Event())
    assert "no such rig" in (tmp_path / "serve.log").read_text("utf-8")


def test_the_prefect_ui_shows_runs_pictures_and_blocks(demo: Demo, tmp_path: Path) -> None:
    with chromium_page() as page:

        def shows(place: str, text: str) -> None:
            open_page(page, f"{demo.ui}/{place}", page.get_by_text(text))

        shows("runs", "demo/mosaic-001/batch-001")
        for batch in ("001/batch-002", "002/batch-001", "002/batch-002"):
            page.get_by_text(f"demo/mosaic-{batch}").first.wait_for()
        shows(f"runs/flow-run/{_run_with_its_tasks(demo, 'demo/mosaic-002/batch-001')}", "contact sheet")
        shows("artifacts/key/demo-mosaic-002-batch-001", "Enface maps of oct/demo/slice-01/mosaic-002/batch-001")
        page.locator("a[href*='/artifacts/artifact/']").first.click()
        page.locator("img[alt='contact sheet']").wait_for()
        until(lambda: True in _pictures(page), "the picture")
        page.screenshot(path=tmp_path / "artifact.png")
        shows("artifacts/key/demo-oct-progress", "Batches of demo by mosaic")
        shows("artifacts/key/demo-slice-01-channel-01", "Projections of lsm/demo/slice-01/channel-01")
        shows("blocks", "demo-oct-state")
        for block in ("demo-psoct-config", "demo-lsm-state", "demo-lsm-config"):
            page.get_by_text(block).first.wait_for()
    assert (tmp_path / "artifact.png").stat().st_size > 20_000


def test_without_keep_it_leaves_only_its_output(tmp_path: Path) -> None:
    environment = command_environment(tmp_path / "unused", TMPDIR=str(tmp_path))
    command = [sys.executable, "-c", ONE_TILE, "demo", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "products").rglob("*.nii"))) == 9
    assert "stopped now" in done.stdout
    assert "Error" not in done.stderr and "ERROR" not in done.stderr  # the server went last
    assert not list(tmp_path.glob("opticstream-demo-*")) and (tmp_path / "out" / "report.html").exists()
    port = done.stdout.partition("http://127.0.0.1:")[2].split()[0]
    assert not [
        c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == int(port) and c.status == "LISTEN"
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl+Break")
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = command_environment(tmp_path / "unused", TMPDIR=str(tmp_path))
    command = command_line("demo", "--output", tmp_path / "out")
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        tiles = tmp_path / "out" / "tiles"
        until(lambda: list(tiles.glob("*.nii")), "a tile", PATIENCE_S, alive=lambda: process.poll() is None)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family)
    assert not list(tmp_path.glob("opticstream-demo-*"))
