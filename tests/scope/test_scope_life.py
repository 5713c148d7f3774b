"""A scope from its start to its end, with its real processes."""

import multiprocessing
import threading
import warnings

import pytest

from opticstream.scope import MagScope
from opticstream.scope.cameras import DummyCameraNoise
from opticstream.scope.commands.camera import SetCameraSettingCommand
from opticstream.scope.commands.scope import AddRandomBeadsCommand
from opticstream.scope.files import read_tracking_file
from opticstream.scope.frame_ledger import FrameOutcome
from opticstream.scope.ipc import Command, UnknownCommandError
from support.running_scope import ONE_WORKER, make_scope, running
from support.waiting import until


class Absent(DummyCameraNoise):
    def connect(self, video_buffer):
        raise OSError("nobody plugged it in")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory):
    """Return a scope that has recorded a hundred frames, and its folder."""
    folder = tmp_path_factory.mktemp("recorded")
    scope = make_scope(folder)
    with running(scope):
        until(lambda: scope.shared_values.frames_tracked.value >= 100 and "tracking file" in scope.values, "tracks")
        scope.seen = scope.status()
    return scope, folder


@pytest.fixture(scope="module")
def shared():
    """Return a scope that runs and had no beads at first; several tests use it, and none ends it."""
    scope = make_scope(name="shared", settings=ONE_WORKER)
    scope.first_beads = None
    with running(scope):
        yield scope
    assert scope.outcome.succeeded


def test_a_scope_ends_well(recorded):
    scope, _ = recorded
    assert scope.outcome.succeeded and scope.outcome.reason == "the test is over"
    assert scope.seen["beads"] == 8 and len(scope.seen["processes"]) == 6
    assert scope.seen["problems"] == []
    assert not any(manager.is_alive() for manager in scope.processes.values())


def test_every_frame_has_its_line_in_the_ledger(recorded):
    _, folder = recorded
    (file,) = folder.glob("*.h5")
    recording = read_tracking_file(file)
    assert recording.closed
    numbers = recording.frame_numbers  # none of the frames in which no beads had been found yet
    assert len(numbers) >= 10
    assert numbers.tolist() == list(range(int(numbers[0]), int(numbers[-1]) + 1))
    first, *rest = recording.ledger
    assert first.first == 0 and first.outcome is FrameOutcome.TRACKED and first.last >= numbers[-1]
    assert {(one.outcome, one.reason) for one in rest} <= {(FrameOutcome.PURGED, "the scope ended")}
    assert recording.attributes["camera_class"] == "DummyCameraBeads"


def test_an_ended_scope_does_nothing_any_more(recorded):
    scope, _ = recorded
    for again in (scope.start, scope.stop):
        with pytest.raises(RuntimeError, match="ended"):
            again()


def test_one_without_a_name_in_a_process():
    MagScope._reset_singleton_for_testing()
    try:
        MagScope()
        with pytest.raises(TypeError, match="name="):
            MagScope()
        assert MagScope(name="second").name == "second"
    finally:
        MagScope._reset_singleton_for_testing()


def test_stop_before_the_start_warns():
    with pytest.warns(UserWarning, match="not running"):
        make_scope().stop()


def test_two_scopes_at_once_start_while_running_and_stop_from_a_thread(shared):
    second = make_scope(name="two", settings=ONE_WORKER)
    with running(second):
        for scope in (shared, second):
            with pytest.warns(UserWarning, match="already running"):
                scope.start()
        until(lambda: min(s.shared_values.frames_tracked.value for s in (shared, second)) > 0, "both track")
        second.stop()
        assert second.over.is_set() and second.outcome.reason == "stopped"
    assert shared.up.is_set() and not shared.over.is_set()
    tracked = shared.shared_values.frames_tracked.value
    until(lambda: shared.shared_values.frames_tracked.value > tracked, "the other tracks on")


def test_commands_from_outside_any_process(shared):
    before, problems = len(shared.beads), len(shared.problems)
    shared.send(AddRandomBeadsCommand(3, seed=1))
    until(lambda: len(shared.beads) == before + 3, "three beads more")
    shared.send(SetCameraSettingCommand("gain", "20000"))
    until(lambda: shared.values.get("camera gain") == "20000", "the camera's setting came back")
    shared.send(SetCameraSettingCommand("framerate", "fast"))
    until(lambda: len(shared.problems) > problems, "a warning")
    assert "framerate" in shared.problems[-1][1] and "fast" in shared.problems[-1][1]
    with pytest.raises(UnknownCommandError):
        shared.send(Command())


def test_another_roi_size_clears_the_beads(shared):
    shared.send(AddRandomBeadsCommand(1, seed=2))
    until(lambda: shared.beads, "beads")
    shared.settings = {**shared.settings, "ROI": 40}
    until(lambda: not shared.beads, "no beads")
    shared.send(AddRandomBeadsCommand(2, seed=1))
    until(lambda: shared.beads, "beads again")
    assert {x1 - x0 for x0, x1, _, _ in shared.beads.values()} == {40}
    tracked = shared.shared_values.frames_tracked.value
    until(lambda: shared.shared_values.frames_tracked.value > tracked + 20, "tracking goes on")
    with pytest.raises(ValueError, match="ROI"):
        shared.settings = {"ROI": 41}


def test_printing_commands_starts_nothing(capsys):
    scope = MagScope(print_ipc_commands=True, print_script_commands=True, name="prints")
    threads, children = threading.enumerate(), multiprocessing.active_children()
    scope.start()
    printed = capsys.readouterr().out
    assert "QuitCommand -> BROADCAST to all via quit" in printed
    assert "SetXYLockOnCommand -> BeadLockManager.set_xy_lock_on" in printed
    assert set(threading.enumerate()) <= set(threads) and set(multiprocessing.active_children()) <= set(children)
    scope.print_ipc_commands = False
    assert not scope.print_ipc_commands


def test_a_module_read_by_a_child_starts_no_scope():
    process = multiprocessing.current_process()
    process._inheriting = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_scope().start()
    finally:
        del process._inheriting


def test_a_camera_that_is_not_there_leaves_a_scope_and_a_warning():
    scope = make_scope(settings=ONE_WORKER)
    scope.first_beads = None
    scope.camera_manager.camera = Absent()
    with running(scope):
        until(lambda: scope.problems, "a warning")
        assert "nobody plugged it in" in scope.problems[0][2]
        assert scope.up.is_set()
    assert scope.outcome.succeeded
