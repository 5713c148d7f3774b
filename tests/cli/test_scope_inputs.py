"""What ``opticstream scope run`` is given: videos, beads, folders, scripts, Z-LUTs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
import yaml

from opticstream.scope.tracking import ZLut
from support.command import PATIENCE_S, command_environment, command_line, run_command, run_in_turn
from support.waiting import until

SMALL = ("--set", "video buffer n images=10", "--set", "video processors n=1", "--set", "tracks max datapoints=10000")


@pytest.fixture
def site(home: Path, tmp_path: Path) -> tuple[dict[str, str], Path]:
    """Return an environment of its own, in which nobody is cut off who is only slow, and a folder with files."""
    rng = np.random.default_rng(1)
    tifffile.imwrite(tmp_path / "video.tif", rng.integers(0, 255, (12, 96, 128), np.uint8), photometric="minisblack")
    ZLut(np.arange(4.0), rng.random((25, 4)), "linear").save(tmp_path / "z.txt")
    ZLut(np.arange(4.0), rng.random((25, 4)), "rounded").save(tmp_path / "rounded.txt")
    ZLut(np.arange(4.0), rng.random((20, 4)), "linear").save(tmp_path / "small.txt")
    (tmp_path / "text.tif").write_text("no video")
    (tmp_path / "outside.csv").write_text("x,y\n40,40\n40,3000\n")
    (tmp_path / "half.csv").write_text("x,y\n40,40\n40\n")
    (tmp_path / "empty.csv").write_text("x,y\n")
    (tmp_path / "text.json").write_text("{")
    return command_environment(home, PYTHONPATH=str(tmp_path), OPTICSTREAM_SCOPE_GRACE_S="60"), tmp_path


def test_a_video_is_replayed_and_its_zlut_is_there_the_next_time(site, home):
    environment, folder = site
    arguments = ("--replay", folder / "video.tif", "--beads", "1", "--json")
    script = folder / "script.py"
    script.write_text(
        "from opticstream.scope.scripting import wait_until\n\n\n"
        "def main(scope):\n    yield wait_until(lambda live: live.frame_number > 0, timeout=120)\n"
    )
    found = json.loads(
        run_command(
            environment, "scope", "run", *SMALL, *arguments, "--zlut", folder / "z.txt", "--script", script
        ).stdout
    )
    assert found["succeeded"] and found["frames"] > 0 and found["beads"] == 1 and found["problems"] == []
    assert yaml.safe_load((home / "scope.yaml").read_text())["z_lut"] == {
        "path": str(folder / "z.txt"),
        "disabled": False,
    }
    again = json.loads(run_command(environment, "scope", "run", *SMALL, *arguments, "--seconds", "0").stdout)
    assert again["values"]["zlut"]["path"] == str(folder / "z.txt") and again["reason"] == "its 0 s are over"


BAD = {
    "video": (["--replay", "text.tif"], "text.tif"),
    "video that is not there": (["--replay", "nope.tif"], "nope.tif: found no such file"),
    "video as a camera": (["--camera", "replay:nope.tif"], "nope.tif"),
    "camera": (["--camera", "nope"], "--replay FILE"),
    "beads that are not there": (["--beads", "nope.csv"], "nope.csv: found no such file"),
    "beads outside": (["--beads", "outside.csv"], "outside.csv: bead at x 40, y 3000"),
    "beads without y": (["--beads", "half.csv"], "half.csv:3: found ['40']; expected x and y of each bead, px"),
    "no beads": (["--beads", "empty.csv"], "empty.csv: found no bead"),
    "beads in bad JSON": (["--beads", "text.json"], "text.json"),
    "Z-LUT of another mode": (["--zlut", "rounded.txt"], "rounded bins; expected linear"),
    "Z-LUT of another size": (["--zlut", "small.txt"], "20 bins; expected 25 for crops of 50 px"),
    "folder in a file": (["--save", "text.tif/out"], "a folder to write to"),
    "unwritable folder": (["--save", "/proc/out" if sys.platform == "linux" else "text.tif"], "a folder to write to"),
    "memory": (["--set", "video buffer n images=100000000"], "Lower 'video buffer n images'"),
}


def test_what_cannot_be_used_is_one_line_before_anything_starts(site, home):
    environment, folder = site
    calls = [["scope", "run", "--seconds", "0", *arguments] for arguments, _ in BAD.values()]
    for case, answer in zip(BAD, run_in_turn(environment, calls, folder), strict=True):
        assert answer.code == 2 and answer.stdout == "", (case, answer)
        assert answer.stderr.count("\n") == 1 and BAD[case][1] in answer.stderr, (case, answer.stderr)
    assert not (home / "scope.yaml").exists()  # nothing of it is remembered


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_ctrl_c_at_a_terminal_is_not_answered_by_processes_that_still_import(site):
    environment, _ = site
    line = command_line("scope", "run", "--name", "early", *SMALL)
    process = subprocess.Popen(line, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: _has_children(process.pid), "its first process", PATIENCE_S)
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)  # impatient
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    # Of one that was ready in that moment and is slow, the scope says that it does not end.
    assert process.returncode == 130 and [line for line in said.splitlines() if "does not end" not in line] == []


def _has_children(pid: int) -> bool:
    try:
        return any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return False


def test_a_script_that_cannot_be_loaded_ends_the_scope_and_is_told_once(site):
    environment, folder = site
    (folder / "script.py").write_text("import nothing_of_this_name\n")
    script = ("--script", folder / "script.py")
    failed = run_command(environment, "scope", "run", *SMALL, *script, expect=1)
    assert "its script failed" in failed.stdout
    assert failed.stderr.count("Traceback") == 1 and "cannot be started" not in failed.stderr
