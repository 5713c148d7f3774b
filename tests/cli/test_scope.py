"""``opticstream scope`` as people type it, with its real processes."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opticstream.scope.files import read_tracking_file
from opticstream.scope.remote import ScopeClient, running_scopes
from support.command import PATIENCE_S, command_environment, command_line, run_command, run_in_turn
from support.markdown import blocks
from support.repository import ROOT
from support.waiting import until

SMALL = ("--set", "video buffer n images=10", "--set", "video processors n=1")
TRACKED = """
from opticstream.scope.scripting import wait_until


def main(scope):
    yield wait_until(lambda live: len(live.tracks(0, {frames})) == {frames}, timeout=120)
"""
CAMERA = """
from opticstream.scope.cameras import DummyCameraNoise


class Mine(DummyCameraNoise):
    width, height = 96, 80
"""


@pytest.fixture
def site(home: Path, tmp_path: Path) -> tuple[dict[str, str], Path]:
    """Return an environment in which modules of the test's folder can be imported, and that folder.

    At a scope's end nobody is cut off who is only slow.
    """
    return command_environment(home, PYTHONPATH=str(tmp_path), OPTICSTREAM_SCOPE_GRACE_S="60"), tmp_path


@contextmanager
def running(environment: dict[str, str], name: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a scope beside the test, from its first tracks on."""
    line = command_line("scope", "run", "--name", name, *SMALL, *arguments)
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = Path(environment["OPTICSTREAM_HOME"]) / "scopes"
    try:
        until(lambda: name in running_scopes(folder) or process.poll() is not None, "it can be asked", PATIENCE_S)
        with ScopeClient(name, folder) as client:
            until(lambda: _tracks(client), "tracks", PATIENCE_S)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def _tracks(client: ScopeClient) -> bool:
    try:
        return bool(client.status()["frames_tracked"])
    except Exception:  # it is not set up yet
        return False


def test_a_recording_beside_its_truth(site):
    environment, folder = site
    save, script = folder / "out", folder / "script.py"
    script.write_text(TRACKED.format(frames=60))
    line = ("--script", script, "--set", "video buffer n stacks=60", "--save", save, "--json")
    done = run_command(environment, "scope", "run", *SMALL, *line)
    found = json.loads(done.stdout)
    assert found["reason"] == "its script has ended" and found["problems"] == [] and found["frames_dropped"] == 0
    assert found["accuracy"]["records"] > 100
    assert found["accuracy"]["median_abs_x_px"] < 0.02 and found["accuracy"]["median_abs_z_nm"] < 10
    (file,) = found["files"]
    assert read_tracking_file(Path(file)).closed
    assert json.loads((save / "scope_session.json").read_text())["reason"] == found["reason"]
    healthy = run_command(environment, "scope", "repair", file).stdout
    assert "healthy, not touched" in healthy


def test_a_running_scope_is_asked_and_stopped(site):
    environment, folder = site
    with running(environment, "one", "--save", folder / "out") as process:
        refused = run_command(environment, "scope", "run", "--name", "one", "--seconds", "1", expect=2).stderr
        assert refused.count("\n") == 1 and "runs already" in refused and "scope stop one" in refused
        calls = [
            ["scope", "status"],
            ["scope", "status", "one"],
            ["scope", "send", "one", "SetXYLockOn", "value=true"],
            ["scope", "send", "one", "SetXYLockOnn", "value=true"],
            ["scope", "send", "one", "SetXYLockOn", "valu=true"],
            ["scope", "send", "one", "SetXYLockOn", "value=banana"],
            ["scope", "send", "one", "SetAcquisitionMode", "mode=nope"],
            ["scope", "send", "one", "SetSettings", 'settings={"ROI":41}'],
            ["scope", "send", "one", "AddNote", "text=the laser is on"],
            ["scope", "send", "one", "AddNote", "text"],
            ["scope", "send", "one", "SetTrackingOptions", 'options={"nonsense": 1}'],
            ["scope", "send", "one", "AddBeads", "centers=[[-77,5]]"],
        ]
        answers = run_in_turn(environment, calls, folder)
        every, status, lock, close, field, value, mode, setting, note, pair, *refused = answers
        assert every.stdout == "one\n"
        assert "one runs since" in status.stdout and "CameraManager: process" in status.stdout
        assert "records Track into" in status.stdout
        for good in (lock, note):
            assert (good.code, good.stdout, good.stderr) == (0, "", "")
        for answer, names in (
            (close, "SetXYLockOn "),
            (field, "value"),
            (value, "value"),
            (mode, "Track and Video"),
            (setting, "ROI"),
            (pair, "NAME=VALUE"),
        ):
            assert answer.code == 2 and answer.stderr.count("\n") == 1 and names in answer.stderr, answer
        for answer, names in zip(refused, ("nonsense", "-77"), strict=True):
            assert answer.code == 1 and answer.stderr.count("\n") == 1 and names in answer.stderr, answer
        found = json.loads(run_command(environment, "scope", "status", "one", "--json").stdout)
        assert found["restarts"] == 0 and all(one["alive"] for one in found["processes"].values())
        run_command(environment, "scope", "stop", "one")
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and "stopped from outside" in out
    (file,) = (folder / "out").glob("*.h5")
    recording = read_tracking_file(file)
    assert recording.closed and [note for _, note in recording.notes] == ["the laser is on"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "code", "reason"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 0, "a signal")]
)
def test_signals_close_the_files(site, number, code, reason):
    environment, folder = site
    with running(environment, "hit", "--beads", "3", "--save", folder) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code and reason in out and "Traceback" not in err
    (file,) = folder.glob("*.h5")
    assert read_tracking_file(file).closed


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_file_of_a_killed_scope_is_mended(site):
    environment, folder = site
    with running(environment, "dead", "--save", folder) as process:
        (file,) = until(lambda: list(folder.glob("*.h5")), "a file", PATIENCE_S)
        until(lambda: len(read_tracking_file(file).frame_numbers), "tracks in it", PATIENCE_S)
        copy = folder / "cut" / "copy.h5"
        copy.parent.mkdir()
        shutil.copy(file, copy)
        busy = run_command(environment, "scope", "repair", file, expect=2).stderr
        assert "still runs" in busy and busy.count("\n") == 1
        process.kill()
        process.wait()
    until(
        lambda: run_in_turn(environment, [["scope", "repair", str(file)]], folder)[0].code == 0,
        "its writer ended",
        PATIENCE_S,
    )
    assert len(read_tracking_file(file).frame_numbers) > 0
    report = json.loads(run_command(environment, "scope", "repair", copy, "--json").stdout)
    assert report["frames"] > 0 and report["healthy"] is False and report["what"]


def test_a_script_that_fails_ends_the_scope(site):
    environment, folder = site
    bad = folder / "bad.py"
    bad.write_text(
        "from opticstream.scope.scripting import SleepCommand\n\n\ndef main(scope):\n    yield SleepCommand(0.01)\n    raise ValueError('no stage')\n"
    )
    for until_then in ((), ("--seconds", "1")):
        line = ("--beads", "3", "--script", bad, *until_then)
        failed = run_command(environment, "scope", "run", *SMALL, *line, expect=1)
        assert "bad.py" in failed.stderr and "no stage" in failed.stderr and "line 6" in failed.stderr
        assert "its script failed" in failed.stdout


def test_files_of_an_earlier_run_are_not_this_one_s(site):
    environment, folder = site
    (folder / "Tracking Data 2020-01-01 00-00-00.000000.h5").write_text("of another day")
    line = ("--beads", "0", "--seconds", "0", "--save", folder, "--json")
    found = json.loads(run_command(environment, "scope", "run", *SMALL, *line).stdout)
    assert found["files"] == [] and "accuracy" not in found


def test_a_camera_beads_and_script_of_ones_own(site):
    environment, folder = site
    (folder / "lab.py").write_text(CAMERA)
    (folder / "places.csv").write_text("x,y\n40,40\n")
    script = folder / "good.py"
    script.write_text(
        "from opticstream.scope.scripting import Script, wait_until\nscript = Script()\n"
        "script.append(wait_until(lambda live: live.frame_number > 0, timeout=120))\n"
    )
    arguments = ("--camera", "lab:Mine", "--camera-setting", "framerate=50", "--beads", folder / "places.csv")
    found = json.loads(
        run_command(environment, "scope", "run", *SMALL, *arguments, "--script", script, "--json").stdout
    )
    assert found["beads"] == 1 and found["frames"] > 0 and found["problems"] == []
    assert found["reason"] == "its script has ended"


BAD = {
    "no script": (["--script", "nope.py"], "nope.py: found no such file"),
    "no camera": (["--camera", "nope"], "fast-noise"),
    "no module": (["--camera", "nope.mod:Class"], "No module named"),
    "not a camera": (["--camera", "json:JSONDecoder"], "CameraBase"),
    "no video": (["--replay", "nope.tif"], "nope.tif: found no such file"),
    "mode": (["--mode", "nope"], "Track and Video (Full)"),
    "tracking": (["--tracking", "nope"], "linear_bins or magtrack"),
    "setting": (["--set", "nope=1"], "no such setting"),
    "value": (["--set", "ROI=41"], "an even integer"),
    "pair": (["--set", "ROI"], "NAME=VALUE"),
    "camera setting": (["--camera-setting", "nope=1"], "framerate"),
    "camera value": (["--camera-setting", "framerate=fast"], "from 1 to 10000"),
    "no beads": (["--beads", "nope.csv"], "auto, a number, or a file"),
    "negative beads": (["--beads", "-3"], "auto, a number, or a file"),
    "bad beads": (["--beads", "bad.csv"], "bad.csv:1"),
    "no zlut": (["--zlut", "nope.txt"], "nope.txt: found no such file"),
    "bad zlut": (["--zlut", "bad.csv"], "bad.csv"),
    "folder": (["--save", "bad.csv"], "a folder to write to"),
    "name": (["--name", "a b"], "letters, digits"),
}


def test_what_cannot_be_used_is_one_line(site):
    environment, folder = site
    (folder / "bad.csv").write_text("here,there\n")
    calls = [["scope", "run", "--seconds", "0", *arguments] for arguments, _ in BAD.values()]
    for case, answer in zip(BAD, run_in_turn(environment, calls, folder), strict=True):
        assert answer.code == 2 and answer.stdout == "", (case, answer)
        assert answer.stderr.count("\n") == 1 and BAD[case][1] in answer.stderr, (case, answer.stderr)


def test_nobody_there(site):
    environment, folder = site
    (folder / "text.h5").write_text("no")
    calls = [
        ["scope", "status"],
        ["scope", "status", "nope"],
        ["scope", "stop", "nope"],
        ["scope", "send", "nope", "Quit"],
        ["scope", "repair", "nope.h5"],
        ["scope", "repair", "text.h5"],
        ["scope", "commands"],
        ["scope", "commands", "--scripts"],
    ]
    none, *refused, every, scripts = run_in_turn(environment, calls, folder)
    assert (none.code, none.stdout) == (0, "no scope runs\n")
    for answer in refused:
        assert answer.code == 2 and answer.stderr.count("\n") == 1, answer
    assert "no such file" in refused[3].stderr
    assert "SetXYLockOnCommand -> DIRECT to BeadLockManager via set_xy_lock_on" in every.stdout
    assert "AddBeadsCommand" in scripts.stdout


def test_settings_are_kept_and_carried(site):
    environment, folder = site
    (folder / "bad.yaml").write_text("settings:\n  ROI: 41\n")
    calls = [
        ["scope", "settings", "set", "ROI", "64"],
        ["scope", "settings", "set", "ROI", "41"],
        ["scope", "settings", "set", "nope", "1"],
        ["scope", "settings", "export", "mine.yaml"],
        ["scope", "settings", "set", "ROI", "40"],
        ["scope", "settings", "import", "mine.yaml"],
        ["scope", "settings", "import", "bad.yaml"],
        ["scope", "settings", "import", "absent.yaml"],
        ["scope", "settings", "show", "--json"],
        ["scope", "settings", "show"],
    ]
    answers = run_in_turn(environment, calls, folder)
    assert [answer.code for answer in answers] == [0, 2, 2, 0, 0, 0, 2, 2, 0, 0]
    assert answers[0].stdout == "ROI = 64\n" and json.loads(answers[8].stdout)["ROI"] == 64
    assert "an even integer from 8 to 256" in answers[9].stdout
    for number in (1, 2, 6, 7):
        assert answers[number].stderr.count("\n") == 1


def test_the_example_of_the_documentation(site):
    environment, folder = site
    (block,) = (b for b in blocks(ROOT / "docs" / "rigs" / "scope.md") if b.language == "python")
    example = folder / "example.py"
    # A stack of the default settings takes three and a half seconds, and longer on a busy machine.
    tracked = "while not scope.shared_values.frames_tracked.value: time.sleep(0.1)"
    assert block.text.count("time.sleep(10)") == 1
    example.write_text(block.text.replace("time.sleep(10)", tracked))
    line = [sys.executable, str(example)]
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0 and done.stdout == "ten seconds are over True\n", done.stderr
