"""Commands sent to a running scope from outside, followed until they have been carried out."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from opticstream.core.errors import BadInput, OpticstreamError
from opticstream.scope.orchestration import answering
from opticstream.scope.remote import ScopeClient
from support.running_scope import ONE_WORKER, make_scope, running
from support.waiting import PATIENCE_S, until


@pytest.fixture(scope="module")
def scope(tmp_path_factory: pytest.TempPathFactory):
    """Return a scope that runs and can be asked; several tests use it, and the last one ends it."""
    made = make_scope(name="asked", settings=ONE_WORKER)
    made.first_beads = None
    made.runtime_folder = tmp_path_factory.mktemp("records")
    with running(made):
        yield made


@pytest.fixture
def client(scope):
    with ScopeClient("asked", scope.runtime_folder) as asked:
        yield asked


def test_what_is_carried_out_has_been_when_it_returns(scope, client):
    before = len(scope.beads)
    assert client.send("AddRandomBeads", count=3, seed=1) == []
    assert len(scope.beads) == before + 3
    assert client.send("SetCameraSetting", name="gain", value="20000") == []
    assert client.send("SetAcquisitionOn", value=False) == client.send("SetAcquisitionOn", value=True) == []
    assert client.status()["acquisition"]["on"] is True


@pytest.mark.parametrize(
    ("command", "fields", "told"),
    [
        ("SetCameraSetting", {"name": "framerate", "value": "fast"}, "fast"),  # a process tells
        ("AddBeads", {"centers": [[-77, 5]]}, "-77"),  # the scope itself tells
        ("SetTrackingOptions", {"options": {"nonsense": 1}}, "nonsense"),
    ],
)
def test_what_was_not_done_is_told(client, command, fields, told):
    (problem,) = client.send(command, **fields)
    assert told in problem["text"] + problem["details"]
    assert client.send(command="AddRandomBeads", count=0) == []  # of the next it is not told again


def test_what_is_no_command_is_sent_to_nobody(client):
    with pytest.raises(BadInput, match="SetCameraSettings"):
        client.send("SetCameraSettings", name="gain", value="1")
    with pytest.raises(BadInput, match="framerate"):
        client.send("AddBeads", framerate=1)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_that_stands_still_is_not_waited_for_ever(scope, client, monkeypatch):
    monkeypatch.setattr(answering, "_CARRIED_OUT_WITHIN_S", 0.3)
    camera = scope.camera_manager.pid
    os.kill(camera, signal.SIGSTOP)
    try:
        with pytest.raises(OpticstreamError, match="not carried out by CameraManager"):
            client.send("SetCameraSetting", name="gain", value="1000")
    finally:
        os.kill(camera, signal.SIGCONT)
    until(lambda: scope.values.get("camera gain") == "1000", "it is carried out later")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_who_is_killed_over_it_is_told_of_at_once_and_the_end_is_answered(scope, client):
    """The next process does what is sent then; the last command is the one that ends the scope."""
    camera = scope.camera_manager.pid
    os.kill(camera, signal.SIGSTOP)  # so that nothing is carried out before the kill
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.send, "SetCameraSetting", name="gain", value="2000")
        until(lambda: scope._sent._open, "the command is on its way")
        os.kill(camera, signal.SIGKILL)
        with pytest.raises(OpticstreamError, match="not carried out by CameraManager"):
            asked.result()
    until(lambda: scope.camera_manager.pid != camera and scope.camera_manager.is_alive(), "another process")
    assert client.send("SetCameraSetting", name="gain", value="3000") == []
    assert client.send("Quit") == []
    assert scope.over.wait(PATIENCE_S) and scope.outcome.reason == "asked to"
