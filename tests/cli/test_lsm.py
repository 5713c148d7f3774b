"""A light-sheet project from setup to verified archive, by the commands an operator types."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.settings import load_settings
from opticstream.state import open_database
from support.command import (
    PATIENCE_S,
    await_counts,
    command_environment,
    command_line,
    run_command,
    run_in_turn,
)
from support.sheet import Sheet, sheet_config

FAST = ("--stability-seconds", "0.3", "--poll-interval", "0.1", "--no-pp")
SMALL = ("--shape", "21x48x70", "--frames-per-file", "16", "--overlap-percent", "25")
STRIP_1, STRIP_2 = "lsm/sheet/slice-01/channel-01/strip-0001", "lsm/sheet/slice-01/channel-01/strip-0002"


def _environment(home: Path, server: str | None = None) -> dict[str, str]:
    return command_environment(home, server, OPTICSTREAM_RETRY_BACKOFF_S="[0]")


def _state(environment: dict[str, str], *options: object, project: str = "sheet") -> dict[str, Any]:
    done = run_command(environment, "lsm", "state", "show", project, "--json", *options)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of everything below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size * path.is_file(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def _store(home: Path) -> list[str]:
    """Return every row of the state store."""
    with closing(sqlite3.connect(home / "state.db")) as connection:
        return list(connection.iterdump())


@pytest.fixture
def sheet(home: Path, tmp_path: Path) -> Sheet:
    """Return project ``sheet`` in the store, as setup leaves it, and its two strips on disk; raw data are kept."""
    folder = tmp_path / "Lichtblatt 光 [alt]"
    settings = load_settings()
    with open_database(settings) as database:
        made = Sheet(settings, database, folder, sheet_config(folder))
        made.configure(strip_cleanup_action="keep")
    made.simulate()
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_setup_to_a_verified_archive(home: Path, server: str, tmp_path: Path) -> None:
    """The walk of the guide; a second watch finds nothing to do.

    Its project has a name of its own: setup leaves a block on the server that all tests share, and a block wins.
    """
    environment = _environment(home, server)
    work = tmp_path / "work"
    raw, base, archive = work / "raw", work / "products", work / "archive"
    places = ("--project-base-path", base, "--archive-path", archive)
    options = (*places, "--strips-per-slice", 2, "--strip-overlap", 25, "--set", "zarr.chunk=32", "--json")
    made = json.loads(run_command(environment, "lsm", "setup", "walk", *options).stdout)
    assert made["blocks"] == ["walk-lsm-config", "walk-lsm-state"]
    assert (made["config"]["strip_cleanup_action"], made["config"]["zarr"]["chunk"]) == ("rename", 32)
    wrote = json.loads(run_command(environment, "lsm", "simulate", raw, *SMALL, "--json").stdout)
    assert [Path(path).name for path in wrote["strips"]] == ["Run1", "Run1_1"]

    watch = ("lsm", "watch", "walk", "--watch-dir", raw, "--once", *FAST)
    before = _tree(work), _store(home)
    dry = run_command(environment, *watch, "--dry-run", "--direct")
    assert (
        f"would take: {STRIP_1.replace('sheet', 'walk')} (7 files," in dry.stdout
        and f"would take: {STRIP_2.replace('sheet', 'walk')}" in dry.stdout
    )
    assert (_tree(work), _store(home)) == before

    done = run_command(environment, *watch, "--direct")
    told = [line for line in done.stdout.splitlines() if "wait for the Prefect API" not in line]  # a busy server
    assert told == ["Strips processed here: 2 completed", "Channels processed here: 1 completed"]
    assert sorted(path.name for path in base.iterdir()) == [
        "walk_sample-slice01_acq-camera-01_proc-mip.png",
        "walk_sample-slice01_acq-camera-01_proc-mip.tiff",
        "walk_sample-slice01_chunk-0001_acq-camera-01.ome.zarr",
        "walk_sample-slice01_chunk-0001_acq-camera-01_proc-mip.tiff",
        "walk_sample-slice01_chunk-0002_acq-camera-01.ome.zarr",
        "walk_sample-slice01_chunk-0002_acq-camera-01_proc-mip.tiff",
    ]
    assert sorted(path.name for path in raw.iterdir()) == ["ground_truth.json", "processed"]
    _check_contract(_state(environment, project="walk"))

    before = _tree(work), _state(environment, project="walk")
    assert "none, nothing to do" in run_command(environment, *watch, "--direct").stdout
    assert (_tree(work), _state(environment, project="walk")) == before

    _check_verify(environment, archive, raw)


def _check_contract(state: dict[str, Any]) -> None:
    """What machines read of a project in which all is done."""
    assert list(state) == ["project", "pipeline", "counts", "units"]
    assert (state["project"], state["pipeline"]) == ("walk", "lsm")
    assert state["counts"] == {"slice": {"completed": 1}, "channel": {"completed": 1}, "strip": {"completed": 2}}
    rest = ["status", "milestones", "attempts", "error", "claimed_by", "updated_at"]
    numbers = {"slice": ["slice"], "channel": ["slice", "channel"], "strip": ["slice", "channel", "strip"]}
    assert [unit["level"] for unit in state["units"]] == ["slice", "channel", "strip", "strip"]
    for unit in state["units"]:
        assert list(unit) == ["level", *numbers[unit["level"]], *rest]
        assert (unit["status"], unit["error"], unit["claimed_by"]) == ("completed", None, None)
    assert [unit["strip"] for unit in state["units"][2:]] == [1, 2]
    assert state["units"][1]["milestones"] == {"mip_stitched": True, "volume_stitched": False, "volume_uploaded": False}
    assert state["units"][2]["milestones"] == {"compressed": True, "archived": True, "uploaded": False}


def _check_verify(environment: dict[str, str], archive: Path, raw: Path) -> None:
    first, second = (archive / "walk" / "slice-01" / "channel-01" / f"strip-000{strip}" for strip in (1, 2))
    verify = ("lsm", "verify", archive)
    whole = run_command(environment, *verify).stdout.splitlines()
    assert [line.rpartition(", ")[2] for line in whole] == ["verified", "verified"]
    one = run_command(environment, "lsm", "verify", first, "--raw", raw / "processed" / "Run1").stdout
    assert one.endswith("verified, and so is its raw folder\n")

    with (first / "2000000000spool.dat").open("r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    told = run_command(environment, *verify, expect=1).stdout
    assert "1 file differs\n  archive 2000000000spool.dat: content" in told and f"{second}: 7 files" in told
    found = json.loads(run_command(environment, *verify, "--json", expect=1).stdout)
    assert found["verified"] is False and [each["verified"] for each in found["archives"]] == [False, True]
    assert [item["path"] for item in found["archives"][0]["differences"]] == ["2000000000spool.dat"]

    # An archive that lost its list is damaged, not absent, and the one after it is looked at all the same.
    (first / "SHA256SUMS").unlink()
    found = json.loads(run_command(environment, *verify, "--json", expect=1).stdout)
    assert "no SHA256SUMS" in found["archives"][0]["error"] and found["archives"][1]["verified"] is True


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_strip_by_hand_fails_is_retried_marked_and_forgotten(sheet: Sheet, home: Path, server: str) -> None:
    environment = _environment(home, server)
    lost = sheet.raw / "Run1" / "2000000000spool.dat"
    shutil.move(lost, sheet.folder / "lost.dat")
    process = ("lsm", "process", "sheet", sheet.raw / "Run1")
    failed = run_command(environment, *process, "--json", expect=2)
    assert failed.stdout == "" and failed.stderr.count("2000000000spool.dat: found no such file") == 1
    assert failed.stderr.startswith("error: ") and failed.stderr.count("\n") == 1
    (strip,) = _state(environment, "--slice", 1, "--channel", 1, "--strip", 1)["units"]
    assert strip["status"] == "failed" and "2000000000spool.dat" in strip["error"]
    assert sheet.temporaries == []

    shutil.move(sheet.folder / "lost.dat", lost)
    dry = json.loads(run_command(environment, "lsm", "retry", "sheet", "--dry-run", "--json").stdout)
    assert [(unit["unit"], unit["after"]) for unit in dry["units"]] == [(STRIP_1, "ready")]
    assert "--yes to retry 1 unit" in run_command(environment, "lsm", "retry", "sheet", expect=2).stderr
    assert "failed → ready" in run_command(environment, "lsm", "retry", "sheet", "1/1/1", "--yes").stdout

    done = json.loads(run_command(environment, *process, "--json").stdout)
    assert (done["unit"], done["outcome"], done["raw"]) == (STRIP_1, "processed", "kept")
    assert done["products"]["compress"]["verified"] and done["products"]["archive"]["verified"]
    assert Path(done["products"]["compress"]["zarr"]).is_dir() and lost.is_file()
    again = run_command(environment, *process)
    assert again.stdout == f"{STRIP_1}: done already; --force-rerun does it again\n"

    one = ("--slice", "1", "--channel", "1", "--strip", "1")
    mark = ("lsm", "state", "mark", "sheet", "strip")
    assert "archived → false" in run_command(environment, *mark, "archived", "false", *one, "--yes").stdout
    (strip,) = _state(environment, *one)["units"]
    assert strip["milestones"] == {"compressed": True, "archived": False, "uploaded": False}
    refused = run_command(environment, "lsm", "retry", "sheet", "1/1/1", "--yes", expect=1).stdout
    assert "it is completed, not failed" in refused
    run_command(environment, "lsm", "state", "reset", "sheet", *one, "--yes")
    assert _state(environment)["counts"]["strip"] == {}


@pytest.mark.slow
def test_a_dry_run_names_everything_that_is_wrong(sheet: Sheet, home: Path) -> None:
    raw = sheet.raw
    shutil.copytree(raw / "Run1", raw / "RUN1_0")
    (raw / "Run1_1" / "3000000000spool.dat").unlink()
    for name in ("RunX", "Run7", "processed"):
        (raw / name).mkdir()
    shutil.copytree(raw / "Run1", raw / "Run1_C2_4")
    done = run_command(_environment(home), "lsm", "watch", "sheet", raw, "--once", "--dry-run", *FAST)
    lines = done.stdout.splitlines()
    assert lines[0] == "incomplete: Run7: no files" and lines[-1] == "would take: nothing"
    problems = "\n".join(lines[1:-1])
    assert len(lines) == 6 and all(line.startswith("problem: ") for line in lines[1:-1])
    assert f"{raw / 'RUN1_0'} and {raw / 'Run1'}: each say run 1, channel 1, strip 1" in problems
    assert "3000000000spool.dat: found no such file" in problems
    assert "RunX: found a folder name that matches the pattern but says no strip" in problems
    assert "Run1_C2_4: strip 5, but strips_per_slice is 2" in problems


def test_a_watch_says_how_many_events_wait_however_the_project_is_spelt(sheet: Sheet, home: Path) -> None:
    done = run_command(_environment(home), "lsm", "watch", "SHEET", sheet.raw, "--once", *FAST)
    assert "Strips announced here: 2" in done.stdout
    assert "2 events wait for the Prefect API; `opticstream lsm serve sheet`" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl+Break")
def test_a_signal_ends_a_watch_and_says_what_was_announced(sheet: Sheet, home: Path, server: str) -> None:
    environment = _environment(home, server)
    command = command_line("lsm", "watch", "sheet", sheet.raw, "--json-log", *FAST)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watch:
        await_counts(lambda: _state(environment)["counts"]["strip"], {"ready": 2}, watch)
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=PATIENCE_S)
    assert watch.returncode == 0, err
    assert "Strips announced here: 2" in out
    lines = [json.loads(line) for line in err.splitlines()]  # JSON, every one of them
    assert lines[-1]["message"] == "Stopped by a signal."


WRONG: list[tuple[list[str], int, str]] = [
    (["watch", "nothing", "raw"], 1, "opticstream lsm setup nothing"),
    (["watch", "sheet", "nowhere", "--no-pp"], 2, "nowhere: found no folder"),
    (["watch", "sheet", "raw", "--watch-dir", "products"], 2, "--watch-dir: found products beside raw"),
    (["watch", "sheet", "raw", "--pattern", "a/b", "--dry-run"], 2, "--pattern"),
    (["watch", "sheet", "raw", "--priority", "fast"], 2, "--priority: found 'fast'"),
    (["watch", "sheet", "raw", "--slice-offset", "9999999999", "--dry-run"], 2, "--slice-offset"),
    (["process", "sheet", "nowhere"], 2, "STRIP_DIR: found nowhere"),
    (["process", "sheet", "raw"], 2, "Say with --unit SLICE/CHANNEL/STRIP"),
    (["process", "sheet", "raw/Run1", "--slice-offset", "-4"], 2, "--slice-offset: found -4 for run 1"),
    (["process", "sheet", "raw/Run1", "--unit", "1/1/3"], 2, "1 to 2, which is strips_per_slice"),
    (["process", "sheet", "raw/Run1", "--unit", "1/1"], 2, "--unit: found '1/1'"),
    (["serve", "sheet", "archive"], 2, "--distribute-archive"),
    (["serve", "sheet", "everything"], 2, "all, process, archive"),
    (["verify", "nowhere"], 2, "ARCHIVE_DIR: found no folder"),
    (["verify", "raw"], 2, "no SHA256SUMS"),
    (["retry", "sheet", "x/1"], 2, "SLICE/CHANNEL/STRIP"),
    (["state", "mark", "sheet", "batch", "failed", "--slice", "1"], 2, "slice or channel or strip"),
    (["state", "mark", "sheet", "strip", "stitched", "--slice", "1"], 2, "compressed, archived, uploaded"),
    (["state", "show", "sheet", "--strip", "1"], 2, "--slice"),
    (["state", "reset", "sheet"], 2, "--all"),
    (["setup", "x", "--project-base-path", "p", "--cleanup", "shred"], 2, "--cleanup = 'shred'"),
    (["setup", "x", "--project-base-path", "p", "--distribute-archive"], 2, "found distribute_archive needs"),
    (["setup", "x", "--project-base-path", "p", "--info-file", "no.mat"], 2, "no.mat: found No such file"),
    (["setup", "x", "--project-base-path", "p", "--set", "output_format={strip_id}.zarr"], 2, "lacks {slice_id}"),
    (["simulate", "out", "--shape", "0x2x3"], 2, "--shape: found '0x2x3'"),
    (["simulate", "raw/ground_truth.json"], 2, "OUT: found raw/ground_truth.json, a file"),
    (["simulate", "raw"], 2, "which is not empty"),
]


def test_errors_are_one_line_that_names_what_is_wrong(sheet: Sheet, home: Path) -> None:
    """Nothing is written, whatever is wrong."""
    before = _tree(sheet.folder), _store(home)
    answers = run_in_turn(_environment(home), [["lsm", *arguments] for arguments, _, _ in WRONG], sheet.folder)
    for (arguments, code, says), answer in zip(WRONG, answers, strict=True):
        assert (answer.code, answer.stdout) == (code, ""), (arguments, answer)
        assert answer.stderr.startswith("error: ") and answer.stderr.count("\n") == 1, (arguments, answer)
        assert says in answer.stderr, (arguments, answer)
    assert (_tree(sheet.folder), _store(home)) == before


def test_folders_with_brackets_are_told_as_they_are_called(sheet: Sheet, home: Path) -> None:
    """Square brackets are markup to what draws on the terminal."""
    (sheet.folder / "raw" / "Run9 [old]").mkdir()
    (sheet.folder / "raw" / "Run9 [old]" / "a").touch()
    call = ["lsm", "watch", "sheet", "raw", "--once", "--dry-run", *FAST]
    (answer,) = run_in_turn(_environment(home), [call], sheet.folder)
    assert (answer.code, "Run9 [old]" in answer.stdout) == (0, True), answer
