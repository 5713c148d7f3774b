"""A PS-OCT project from setup to products, by the commands an operator types."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command import PATIENCE_S, await_counts, command_environment, command_line, run_command
from support.oct_folder import tile_bytes, write_batch

FAST = ("--stability-seconds", "0.3", "--poll-interval", "0.1")


def _environment(home: Path, server: str) -> dict[str, str]:
    return command_environment(home, server, OPTICSTREAM_RETRY_BACKOFF_S="[0]")


def _setup(environment: dict[str, str], base: Path, tiles: int, batches: int = 2) -> dict[str, Any]:
    grid = ("--grid-size-x-normal", batches, "--grid-size-x-tilted", batches, "--grid-size-y", tiles)
    saving = ("--tile-saving-type", "complex")
    done = run_command(environment, "oct", "setup", "demo", "--project-base-path", base, *grid, *saving, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _state(environment: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_command(environment, "oct", "state", "show", "demo", "--json").stdout)
    return found


def _one_batch(home: Path, server: str, folder: Path) -> tuple[dict[str, str], Path]:
    """Set a project up and write its first batch; return the environment and the folder of tiles."""
    environment = _environment(home, server)
    tiles = folder / "tiles"
    tiles.mkdir()
    _setup(environment, folder / "products", tiles=2)
    write_batch(tiles, 1, 1)
    return environment, tiles


@pytest.mark.slow
def test_from_setup_to_products(home: Path, server: str, tmp_path: Path) -> None:
    """The walk of the guide; a second watch finds nothing to do."""
    environment = _environment(home, server)
    tiles, base = tmp_path / "tiles", tmp_path / "products"
    assert _setup(environment, base, tiles=3)["blocks"] == ["demo-psoct-config", "demo-oct-state"]
    run_command(environment, "oct", "simulate", tiles, "--mosaics", "2", "--shape", "32x32x96")
    watch = ("oct", "watch", "demo", tiles, "1:2", "--once", *FAST)
    assert "would take: oct/demo/slice-01/mosaic-002/batch-002 (3 files)" in (
        run_command(environment, *watch, "--dry-run").stdout
    )
    assert _state(environment)["units"] == []
    assert "4 completed" in run_command(environment, *watch).stdout
    batches = [unit for unit in _state(environment)["units"] if unit["level"] == "batch"]
    assert [unit["status"] for unit in batches] == ["completed"] * 4
    assert len(list(base.rglob("*.nii"))) == 4 * 3 * 9 and len(list(base.rglob("*.png"))) == 4
    again = run_command(environment, *watch)
    assert "nothing to do" in again.stdout
    assert _state(environment)["counts"]["batch"] == {"completed": 4}


@pytest.mark.slow
def test_a_failed_batch_is_shown_retried_and_taken_by_the_next_watch(home: Path, server: str, tmp_path: Path) -> None:
    environment, tiles = _one_batch(home, server, tmp_path)
    # A whole NIfTI whose four components do not make a tile: found when it is processed.
    bad = write_batch(tiles, 1, 2)[0]
    good = bad.read_bytes()
    bad.write_bytes(tile_bytes((12, 8, 40)))
    watch = ("oct", "watch", "demo", tiles, "--once", *FAST)
    assert "1 completed, 1 failed" in run_command(environment, *watch, expect=1).stdout
    failed = [unit for unit in _state(environment)["units"] if unit["status"] == "failed"]
    assert [(unit["mosaic"], unit["batch"]) for unit in failed] == [(1, 2)]
    assert "shape" in failed[0]["error"] and "image_000" in failed[0]["error"]

    bad.write_bytes(good)
    dry = json.loads(run_command(environment, "oct", "retry", "demo", "--dry-run", "--json").stdout)
    assert [unit["after"] for unit in dry["units"]] == ["ready"] and dry["dry_run"]
    assert "--yes" in run_command(environment, "oct", "retry", "demo", expect=2).stderr  # nobody there to ask
    run_command(environment, "oct", "retry", "demo", "--yes")
    assert "1 completed" in run_command(environment, *watch).stdout
    assert _state(environment)["counts"]["batch"] == {"completed": 2}

    by_hand = run_command(environment, "oct", "process", "demo", "1/1/2", "--json")
    assert json.loads(by_hand.stdout)["outcome"] == "done"
    run_command(environment, "oct", "state", "reset", "demo", "--batch", "2", "--mosaic", "1", "--slice", "1", "-y")
    assert _state(environment)["counts"]["batch"] == {"completed": 1}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl+Break")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch_and_says_so(home: Path, server: str, tmp_path: Path, number: signal.Signals) -> None:
    environment, tiles = _one_batch(home, server, tmp_path)
    command = command_line("oct", "watch", "demo", tiles, "--json-log", *FAST)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watch:
        await_counts(lambda: _state(environment)["counts"]["batch"], {"completed": 1}, watch)
        watch.send_signal(number)
        out, err = watch.communicate(timeout=PATIENCE_S)
    assert watch.returncode == 0, err
    assert "1 completed" in out
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert lines[-1]["message"] == "Stopped by a signal."
