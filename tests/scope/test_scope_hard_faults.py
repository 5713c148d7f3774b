"""A full disk, a scope whose own process is killed, light that shows nothing: what a whole running scope makes of them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zarr

from opticstream.core.errors import BadInput
from opticstream.scope.commands.locks import (
    SetXYLockIntervalCommand,
    SetXYLockOnCommand,
    SetZLockBeadCommand,
    SetZLockOnCommand,
)
from opticstream.scope.commands.scope import FindBeadsCommand
from opticstream.scope.files import read_tracking_file
from opticstream.scope.frame_ledger import FrameOutcome
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.memory import MatrixBuffer, segment_name
from opticstream.scope.remote import ScopeClient, running_scopes
from opticstream.scope.simulated_zlut import simulated_zlut
from opticstream.scope.tracking import TrackFlag, TrackingOptions
from opticstream.scope.truth_errors import truth_errors
from support.command import command_environment, run_command
from support.repository import ROOT
from support.running_scope import family, kernels, make_scope, running
from support.scope_faults import (
    CountingDevice,
    DarkAndBright,
    alive,
    checked,
    kill_manager,
    numbers_of,
    recording_begun,
    recordings,
    stored_numbers,
    tracked_numbers,
    tracks_go_on,
)
from support.small_disk import run_on_small_disks
from support.waiting import until

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL, and small disks"),
    pytest.mark.timeout(600),
]


def test_a_disk_that_fills_up_costs_what_it_refused_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    script = ROOT / "tests" / "support" / "full_disk_scope.py"
    line = [sys.executable, str(script), str(tmp_path / "disk"), str(out)]
    heard = run_on_small_disks({tmp_path / "disk": 20 << 20}, line)
    said = next(json.loads(one) for one in heard.splitlines() if one.startswith("{"))

    # Each refusal is told once, with its reason, and so is its end; the scope goes on meanwhile.
    texts = [(one["text"], one["details"]) for one in said["room again"]["problems"]]
    assert [text.lstrip("0123456789 ") for text, _ in texts] == [
        "frames were saved without their video",
        "all is saved again; " + texts[1][0].partition("; ")[2],
        "frames were tracked but not saved",
        "all is saved again; " + texts[3][0].partition("; ")[2],
    ]
    assert "No space left" in texts[0][1] and ".ome.zarr" in texts[0][1]
    assert "No space left" in texts[2][1] and "Make room" in texts[2][1]
    for text, details in texts:
        assert heard.count(f"VideoProcessorManager: {text} ({details})\n") == 1  # in the log
    for step in ("full of video", "full", "room again"):
        assert said[step]["restarts"] == 0 and all(one["alive"] for one in said[step]["processes"].values())
    assert said["end"]["succeeded"] and said["left"] == []

    with_video, first, second = recordings(out)
    ledger = checked(second.ledger)
    # The disk had room for tracks while it had none for video.
    assert with_video.attributes["close_reason"] == "saving was switched off"
    (video,) = out.glob("Video *")
    shown = set(zarr.open_group(video, mode="r")["frame_number"][:].tolist())
    begun = int(with_video.frame_numbers[0])  # beads are looked for in the first frames
    assert len(shown) > 100 and {number for number in shown if number >= begun} < stored_numbers([with_video])
    # What was refused is what the scope said, and is missing between the two files and nowhere else.
    assert first.attributes["close_reason"] == "a batch could not be written" and first.closed
    refused = int(texts[3][0].split("; ")[1].split()[0])
    inside = range(int(first.frame_numbers[0]), int(second.frame_numbers[-1]) + 1)
    stored, missing = stored_numbers([first, second]), numbers_of(ledger, FrameOutcome.NOT_STORED) & set(inside)
    assert stored == tracked_numbers(ledger) & set(inside)
    assert len(missing) == refused > 0
    assert int(first.frame_numbers[-1]) < min(missing) and max(missing) < int(second.frame_numbers[0])
    assert np.isfinite(second.positions_nm[:, :2]).mean() > 0.9


@contextmanager
def _killed_in_the_end(line: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(line, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a folder for temporary files; the path of a socket has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="os-") as folder:
        yield Path(folder)


def _shared_memory(folder: Path) -> list[Path]:
    """Return the shared memory of the scope that has its folder here."""
    (names,) = folder.glob("opticstream-scope-*/segments.txt")
    listed = {Path("/dev/shm", name) for name in names.read_text().split()}
    return sorted(listed | set(Path("/dev/shm").glob(f"os-{_uid(folder)}-*")))


def _uid(folder: Path) -> str:
    (owner,) = folder.glob("opticstream-scope-*/owner.json")
    return str(json.loads(owner.read_text())["uid"])


def test_a_killed_scope_leaves_its_tracks_and_nothing_else(tmp_path, short):
    script = ROOT / "tests" / "support" / "doomed_scope.py"
    records = tmp_path / "scopes"
    line = [sys.executable, str(script), str(tmp_path / "out"), str(records)]
    environment = {**os.environ, "TMPDIR": str(short), "NUMBA_CACHE_DIR": str(kernels())}
    with _killed_in_the_end(line, environment) as scope:
        until(lambda: running_scopes(records) or scope.poll() is not None, "the scope can be asked")
        with ScopeClient("doomed", records) as client:
            status = until(lambda: _recording(client), "tracks in a file")
        (file,) = (tmp_path / "out").glob("*.h5")
        until(lambda: len(read_tracking_file(file).frame_numbers) > 30, "tracks that can be read")
        children = family(scope.pid)
        assert len(children) >= len(status["processes"]) + 3  # workers and the writer of files
        segments = _shared_memory(short)
        assert len(segments) > 10 and all(one.exists() for one in segments)
        before = read_tracking_file(file)
        with MatrixBuffer(segment_name(_uid(short), "hw-SimulatedFocusMotor"), False) as rows:
            newest = rows.newest(1)[0, 0]
        scope.kill()
        scope.wait()
        until(lambda: not alive(children), "its processes have ended")
        heard = scope.stderr.read()

    assert "leaked" not in heard and "Traceback" not in heard, heard
    assert not any(one.exists() for one in segments)
    assert list(short.iterdir()) == [] and list(records.iterdir()) == []
    (only,) = recordings(tmp_path / "out")
    assert only.closed and only.attributes["close_reason"] == "the scope's own process is gone"
    assert stored_numbers([before]) <= stored_numbers([only])
    assert stored_numbers([only]) <= tracked_numbers(checked(only.ledger))
    telemetry = np.loadtxt(tmp_path / "out" / "SimulatedFocusMotor.txt")
    assert (np.diff(telemetry[:, 0]) > 0).all()
    assert telemetry[-1, 0] >= newest  # to the end, not to the last second's saving


def _recording(client):
    """Return the status once tracks are in a file; None: it is not set up yet."""
    try:
        found = client.status()
    except Exception:
        return None
    return found if "tracking file" in found["values"] else None


_ALL_KILLED = """
import os, signal, sys
from pathlib import Path
from multiprocessing import resource_tracker
from opticstream.scope.memory import Doorbell
from opticstream.scope.remote import ScopeServer
from opticstream.scope.run_folder import RunFolder
server = ScopeServer("gone", Path(sys.argv[1]), dict)
folder = RunFolder("0123abcd", server.path)
folder.will_have("os-0123abcd-bell")
bell = Doorbell("os-0123abcd-bell", True)
sweep = Doorbell("os-0123abcd-sweep1", True)
if len(sys.argv) == 3:
    print("running", flush=True)
    sys.stdin.read()
os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_nobody_was_left_to_remove_the_next_one_removes(home, short):
    records, environment = home / "scopes", command_environment(home, TMPDIR=str(short))
    line = [sys.executable, "-c", _ALL_KILLED, str(records)]
    with _killed_in_the_end([*line, "runs"], environment) as one:
        one.stdout.readline()
        segments = _shared_memory(short)
        assert len(segments) == 2
        told = run_command(environment, "scope", "status")
        assert (told.stdout, told.stderr) == ("gone\n", "")  # it runs: nothing is touched
        assert len(list(short.iterdir())) == 2 and all(path.exists() for path in segments)
        one.stdin.close()
        one.wait()
    assert one.returncode == -signal.SIGKILL and all(path.exists() for path in segments)
    told = run_command(environment, "scope", "status")
    assert told.stdout == "no scope runs\n" and told.stderr.count("\n") == 1 and "opticstream-scope-" in told.stderr
    assert not any(path.exists() for path in segments)
    assert list(short.iterdir()) == [] and list(records.iterdir()) == []


def test_a_start_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scope = make_scope(settings={"video buffer n stacks": 1000, "video buffer n images": 10_000})
    with pytest.raises(BadInput, match="shared memory"):
        scope.start()
    assert not scope.outcome.succeeded and "shared memory" in scope.outcome.reason
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def blinded(tmp_path_factory):
    """Return a scope that has recorded with a dark and a bright spot and both locks on; its device was killed twice."""
    folder = tmp_path_factory.mktemp("blinded")
    scope = make_scope(folder, name="blinded")
    scope.camera_manager.camera = camera = DarkAndBright(truth_file=folder / "truth.npy")
    camera.mark = folder / "since"
    camera["framerate"], camera["tethered_xy_sigma"] = 60, 0.5
    options = TrackingOptions.of("linear_bins")
    scope.video_processor_manager.tracking_options = options
    simulated_zlut(options, 50, 200.0).save(folder / "zlut.txt")
    scope.video_processor_manager.zlut_path = str(folder / "zlut.txt")
    scope.add_hardware(CountingDevice())
    scope.add_hardware(SimulatedFocusMotor())
    with running(scope):
        until(lambda: len(scope.beads) == 8, "eight beads")
        recording_begun(scope)
        camera.mark.touch()
        scope.since = int(until(camera.mark.read_text, "dark and bright spots"))
        where = {(x0 + 25, y0 + 25): bead for bead, (x0, _, y0, _) in scope.beads.items()}
        scope.spots = [_nearest(where, place) for place in ((88, 108), (405, 109))]
        before = dict(scope.beads)
        scope.send(SetZLockBeadCommand(scope.spots[0]))  # the dark one: the focus has nothing to follow
        for command in (SetXYLockIntervalCommand(0.2), SetXYLockOnCommand(True), SetZLockOnCommand(True)):
            scope.send(command)
        for turn in range(2):
            until(lambda saved=20 * turn: _lines(folder) > saved, "rows of the device in its file")
            kill_manager(scope, "CountingDevice")
            tracks_go_on(scope, 60)
        scope.send(FindBeadsCommand())
        tracks_go_on(scope, 120)
        scope.seen = scope.status()
        scope.stayed = [before[bead] == scope.beads[bead] for bead in scope.spots]
        scope.motor = scope._hardware_buffers["SimulatedFocusMotor"].newest(1)[0, 1]
        scope.counted = scope._hardware_buffers["CountingDevice"].newest(1)[0, 1]
    assert scope.outcome.succeeded
    (recording,) = recordings(folder)
    return scope, folder, recording


def _nearest(where: dict[tuple[int, int], int], place: tuple[int, int]) -> int:
    return where[min(where, key=lambda one: abs(one[0] - place[0]) + abs(one[1] - place[1]))]


def _lines(folder: Path) -> int:
    path = folder / "CountingDevice.txt"
    return path.read_text().count("\n") if path.exists() else 0


def test_what_shows_no_bead_has_flags_and_no_place_and_the_others_are_as_before(blinded):
    scope, folder, recording = blinded
    assert recording.closed and recording.attributes["close_reason"] == "the scope ended"
    frames = np.repeat(recording.frame_numbers, np.diff(recording.frame_offsets).astype(int))
    blind = frames >= scope.since
    spot = np.isin(recording.bead_ids, scope.spots)
    assert blind.sum() > 500 and set(np.unique(recording.bead_ids)) == set(range(8))
    lost = blind & spot
    assert (recording.flags[lost] != 0).all() and np.isnan(recording.positions_nm[lost]).any(axis=1).all()
    dark, bright = (recording.flags[lost & (recording.bead_ids == bead)] for bead in scope.spots)
    assert set(dark) == {TrackFlag.DARK} and set(bright) == {TrackFlag.SATURATED}
    kept = blind & ~spot
    assert np.isfinite(recording.positions_nm[kept]).all(axis=1).mean() > 0.99
    errors = truth_errors(recording.path, folder / "truth.npy", 200.0).summary()
    assert errors["median_abs_x_px"] < 0.02 and errors["median_abs_y_px"] < 0.02 and errors["median_abs_z_nm"] < 10
    assert errors["records"] >= kept.sum() * 0.99


def test_locks_and_selection_are_blind_there_and_nowhere_else(blinded):
    scope, _, _ = blinded
    assert scope.stayed == [True, True] and scope.motor == 0.0
    assert scope.seen["beads"] == 8  # nothing was found in the dark, nothing at the edges of the light
    assert scope.seen["restarts"] == 2 and all(one["alive"] for one in scope.seen["processes"].values())


def test_a_killed_device_goes_on_in_its_file_and_costs_no_frame(blinded):
    scope, folder, recording = blinded
    rows = np.loadtxt(folder / "CountingDevice.txt")
    assert rows[:, 1].tolist() == list(range(1, len(rows) + 1)) and len(rows) >= scope.counted
    assert (np.diff(rows[:, 0]) > 0).all()
    said = [text for _, text, _ in scope.problems]
    assert said == ["CountingDevice ended with exit code -9 and was started anew"] * 2
    ledger = checked(recording.ledger)
    numbers = recording.frame_numbers
    assert numbers.tolist() == list(range(int(numbers[0]), int(numbers[-1]) + 1))
    assert stored_numbers([recording]) <= tracked_numbers(ledger)
