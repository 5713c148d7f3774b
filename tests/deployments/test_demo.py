"""``opticstream demo`` as a newcomer meets it, and what the Prefect UI shows afterwards."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.browser import chromium_page
from support.command import command_environment, command_line, run_command

pytestmark = pytest.mark.slow


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
    done = run_command(environment, "demo", "--output", output, "--keep", timeout=110)
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
        assert page.locator("h1").inner_text() == "opticstream demo: PS-OCT"
        assert _pictures(page) == [True] * 4


def _pictures(page: Any) -> list[bool]:
    """Say of each picture whether the browser could draw it at a size worth looking at."""
    found: list[bool] = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 300)")
    return found


def test_the_prefect_ui_shows_runs_pictures_and_blocks(demo: Demo, tmp_path: Path) -> None:
    with chromium_page() as page:
        page.goto(f"{demo.ui}/runs")
        for batch in ("001/batch-001", "001/batch-002", "002/batch-001", "002/batch-002"):
            page.get_by_text(f"demo/mosaic-{batch}").first.wait_for(timeout=20_000)
        page.get_by_text("demo/mosaic-002/batch-001").first.click()
        page.get_by_text("contact sheet").first.wait_for(timeout=20_000)
        page.goto(f"{demo.ui}/artifacts/key/demo-mosaic-002-batch-001")
        page.get_by_text("Enface maps of oct/demo/slice-01/mosaic-002/batch-001").first.wait_for(timeout=20_000)
        page.locator("a[href*='/artifacts/artifact/']").first.click()
        page.locator("img[alt='contact sheet']").wait_for(timeout=20_000)
        assert True in _pictures(page)
        page.screenshot(path=tmp_path / "artifact.png")
        page.goto(f"{demo.ui}/artifacts/key/demo-oct-progress")
        page.get_by_text("Batches of demo by mosaic").first.wait_for(timeout=20_000)
        page.goto(f"{demo.ui}/blocks")
        for block in ("demo-oct-state", "demo-psoct-config"):
            page.get_by_text(block).first.wait_for(timeout=20_000)
    assert (tmp_path / "artifact.png").stat().st_size > 20_000


def test_without_keep_it_leaves_only_its_output(tmp_path: Path) -> None:
    environment = command_environment(tmp_path / "unused", TMPDIR=str(tmp_path))
    done = run_command(environment, "demo", "--output", tmp_path / "out", timeout=110)
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
        deadline = time.monotonic() + 60
        while not list((tmp_path / "out").glob("tiles/*.nii")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family)
    assert not list(tmp_path.glob("opticstream-demo-*"))
