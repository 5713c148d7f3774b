"""Whatever dies, hangs, raises or runs out of room, the scope goes on or ends with a reason, and keeps its frames."""

import os
import signal
import sys

import psutil
import pytest

from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.orchestration import supervision
from opticstream.scope.orchestration.silence import SilenceWatch
from opticstream.scope.restart_policy import RestartPolicy
from support.running_scope import ONE_WORKER, make_scope, running
from support.scope_faults import (
    VIDEO,
    FailingCamera,
    FailingDevice,
    checked,
    helpers,
    kill_helper,
    kill_manager,
    problems,
    recording_begun,
    recordings,
    stored_numbers,
    tracked_numbers,
    tracks_go_on,
)
from support.waiting import PATIENCE_S, until

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and SIGSTOP"),
    pytest.mark.timeout(600),
]

LONG_S = 600.0
"""No machine is so slow that what dies at once does not do it often enough within this."""


def test_any_process_may_be_killed_while_the_scope_records(tmp_path):
    scope = make_scope(tmp_path)
    names = ["ScriptManager", "CameraManager", "BeadLockManager", VIDEO, "ZLUTGenerationManager", "UIManager"]
    with running(scope):
        first = recording_begun(scope)
        for name in names:
            kill_manager(scope, name)
            tracks_go_on(scope, 10)
        second = recording_begun(scope, first)
        kill_helper(scope, 0)
        tracks_go_on(scope, 10)
        kill_helper(scope, 1)
        recording_begun(scope, second)
        assert scope.status()["restarts"] == 6 and scope.up.is_set()
    assert scope.outcome.succeeded
    found = recordings(tmp_path)
    ledger = checked(found[-1].ledger)
    stored = stored_numbers(found)
    assert [one.attributes["close_reason"] for one in found if one.closed] == [
        "the process that tracks is gone",
        "the scope ended",
    ]
    # The end of the scope may cut off what a busy machine has not written yet; no death in between may.
    assert stored == {number for number in tracked_numbers(ledger) if min(stored) <= number <= max(stored)}
    assert "a tracking process died" in problems(scope)


def test_who_dies_again_and_again_ends_the_scope_with_a_reason():
    scope = make_scope(settings=ONE_WORKER)
    assert scope.ui_manager.restart_policy == RestartPolicy(limit=3, window_s=60.0)
    scope.ui_manager.restart_policy.window_s = LONG_S
    with running(scope):
        for _ in range(4):
            before = scope.processes["UIManager"].pid
            os.kill(before, signal.SIGKILL)
            until(lambda pid=before: scope.processes["UIManager"].pid != pid or scope.over.is_set(), "another one")
        assert scope.over.wait(PATIENCE_S)
    assert not scope.outcome.succeeded
    assert "UIManager ended with exit code -9, the 4th time within 600 s" in scope.outcome.reason


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_processes_that_hang_end_with_the_scope(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "_AFTER_KILL_S", PATIENCE_S)  # nobody hangs any more: the one that closes the file
    scope = make_scope(tmp_path)
    scope.grace_s = supervision.GRACE_S
    with running(scope):
        recording_begun(scope)
        hung = [scope.processes[name].pid for name in ("CameraManager", VIDEO)] + helpers(scope)[0][:1]
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        scope.stop()
        assert scope.over.is_set()
    assert scope.outcome.succeeded
    until(lambda: not any(_alive(pid) for pid in hung), "those that hung are gone")
    (only,) = recordings(tmp_path)
    assert only.closed and only.attributes["close_reason"] == "the process that tracks is gone"


def test_a_process_that_hangs_is_told_of_and_left_alone():
    scope = make_scope(settings=ONE_WORKER)
    scope._silence = SilenceWatch(0.7)
    with running(scope):
        pid = scope.processes["UIManager"].pid
        os.kill(pid, signal.SIGSTOP)
        until(lambda: _silent_s(scope) >= 0.7 and _told_of_ui(scope)[-1:] == ["silent"], "it is told")
        tracks_go_on(scope, 30)
        os.kill(pid, signal.SIGCONT)
        until(lambda: _silent_s(scope) == 0.0 and _told_of_ui(scope)[-1] == "back", "its return is told")
        told = _told_of_ui(scope)  # a busy machine may have stopped it before, too
        assert told == ["silent", "back"] * (len(told) // 2)
        assert scope.processes["UIManager"].pid == pid and scope.status()["restarts"] == 0
    assert scope.outcome.succeeded


def _silent_s(scope):
    return scope.status()["processes"]["UIManager"]["silent_s"]


def _told_of_ui(scope):
    """Return what was told of the silence of a process, in turn."""
    words = {"UIManager has not been heard of": "silent", "UIManager is heard of again": "back"}
    return [said for _, text, _ in list(scope.problems) for start, said in words.items() if text.startswith(start)]


@pytest.fixture(scope="module")
def raised(tmp_path_factory: pytest.TempPathFactory):
    """Return a scope in which a camera, a device and a script have raised, and which went on to its end."""
    path = tmp_path_factory.mktemp("raised") / "script.py"
    path.write_text("def main(scope):\n    if scope:\n        raise KeyError('no such lamp')\n    yield\n", "utf-8")
    scope = make_scope(settings=ONE_WORKER)
    scope.camera_manager.camera = FailingCamera()
    scope.add_hardware(FailingDevice())
    scope.add_hardware(SimulatedFocusMotor())
    scope.script_manager.autostart = path
    with running(scope):
        until(lambda: scope.shared_values.frames_tracked.value >= 80, "tracks after the fault")
        until(lambda: scope.values.get("script", {}).get("status") == "Error", "the script's end")
        until(lambda: "bananas" in problems(scope), "the device's fault")
        tracks_go_on(scope, 10)
        kill_manager(scope, "SimulatedFocusMotor")
        scope.seen = scope.status()
    return scope


def test_a_camera_and_devices_that_fail_are_started_anew(raised):
    said = problems(raised)
    assert "CameraManager failed" in said and "Traceback" in said and "the cable was pulled at frame 40" in said
    assert "FailingDevice failed" in said and "17.3 bananas" in said
    assert raised.seen["restarts"] == 3
    assert raised.outcome.succeeded


def test_a_script_that_raises_leaves_a_scope(raised):
    said = raised.values["script"]["error"]
    assert "no such lamp" in said and ("line 3" in said or ":3" in said)
    assert raised.outcome.succeeded


def test_a_camera_that_always_raises_ends_the_scope(tmp_path):
    scope = make_scope(tmp_path, settings=ONE_WORKER)
    camera = FailingCamera()
    camera.always = 5
    scope.camera_manager.camera = camera
    scope.camera_manager.restart_policy = RestartPolicy(limit=1, window_s=LONG_S)
    with running(scope):
        assert scope.over.wait(PATIENCE_S)
    assert not scope.outcome.succeeded and "CameraManager ended with exit code 1" in scope.outcome.reason
    assert problems(scope).count("the cable was pulled at frame 5") == 2


def test_a_buffer_that_overflows_loses_frames_that_are_counted(tmp_path):
    scope = make_scope(tmp_path, settings={"video buffer n stacks": 4, "video buffer n images": 5} | ONE_WORKER)
    with running(scope):
        recording_begun(scope)
        stopped = helpers(scope)[0]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: scope.shared_values.frames_dropped.value >= 10, "frames without room")
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        tracks_go_on(scope, 30)
    dropped = scope.summary()["frames_dropped"]
    ledger = checked(recordings(tmp_path)[-1].ledger)
    lost = sum(len(one) for one in ledger.ranges() if one.outcome.name == "DROPPED")
    assert 10 <= lost <= dropped


def test_a_script_does_not_wait_for_an_answer_of_a_process_that_died(tmp_path):
    script = tmp_path / "waits.py"
    script.write_text(
        "from opticstream.scope.scripting import Script, WaitUntilAcquisitionOnCommand\n"
        "script = Script()\nscript.append(WaitUntilAcquisitionOnCommand(False), wait=True)\n"
    )
    scope = make_scope(settings=ONE_WORKER)
    scope.script_manager.autostart = script
    with running(scope):
        until(lambda: "WaitUntil" in scope.values.get("script", {}).get("step", ""), "the script waits")
        kill_manager(scope, VIDEO)
        until(lambda: scope.values["script"]["status"] == "Error", "the script's end", 20)
    assert "VideoProcessorManager died" in scope.values["script"]["error"]
