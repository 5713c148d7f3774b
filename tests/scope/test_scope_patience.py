"""What a scope waits for, from when on, and how long: nothing of it may depend on how busy the computer is."""

from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opticstream.scope.cameras import DummyCameraBeads
from opticstream.scope.managers.camera import CameraManager
from opticstream.scope.memory import MatrixBuffer
from opticstream.scope.orchestration import bead_owner
from opticstream.scope.processing.recorder import Recorder
from opticstream.scope.processing.saving_patience import SAVING_S
from opticstream.scope.processing.writer_messages import StoreStack
from support.memory_children import fresh_name
from support.running_scope import make_scope
from support.track_batches import make_batch


def test_beads_are_looked_for_from_the_first_frame_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [1000.0], []
    monkeypatch.setattr(bead_owner.time, "monotonic", lambda: now[0])
    scope: Any = make_scope()
    scope._make_board()
    scope.video_buffer = SimpleNamespace(frames_written=0)
    scope.find_beads = lambda: looked.append(now[0])
    scope._show = lambda command: scope.problems.append(command.text)
    scope._place_first_beads()
    now[0] += 60.0  # so slow is the start of the camera's process
    scope._look_for_first_beads()
    assert looked == []
    scope.video_buffer.frames_written = 1
    for _ in range(7):
        scope._look_for_first_beads()
        now[0] += 1.0
    assert looked == [1060.0 + k for k in range(7)], "the first frames may be dark"
    scope._look_for_first_beads()
    assert len(looked) == 7 and list(scope.problems) == ["no beads were found in the camera's image"]


@pytest.mark.parametrize(("beads", "most"), [(3, 2000), (20_000, 129), (200_000, 64)])
def test_stacks_may_wait_for_the_disk_by_the_room_they_take(beads: int, most: int) -> None:
    """A fast camera with few beads has filled any small number of stacks before the writer's process has started."""
    recorder = Recorder.__new__(Recorder)
    stack = StoreStack(make_batch(0, frames=4, beads=beads), 0)
    recorder._queue = deque([stack] * (most - 1))
    assert recorder._has_room_for(stack)
    recorder._queue.append(stack)
    assert not recorder._has_room_for(stack)


def test_simulated_beads_are_seen_from_where_the_motor_says_that_it_is() -> None:
    """Whoever has seen the motor's row may count on every later frame, whatever commands are still under way."""
    manager = CameraManager()
    manager.camera = camera = DummyCameraBeads()
    with MatrixBuffer(fresh_name(), True, (10, 4)) as motor:
        manager._shared = SimpleNamespace(focus_motor="Motor", hardware_buffers={"Motor": motor})  # type: ignore[assignment]
        manager._see_focus()
        assert camera._focus_nm == 0.0
        for z in (120.0, -350.0, np.nan):
            motor.write([1000.0, z, z, 1.0])
            manager._see_focus()
        assert camera._focus_nm == -350.0, "what cannot be leaves it where it was"


def test_the_end_takes_as_long_as_files_may() -> None:
    scope = make_scope()
    scope.grace_s = 1.2
    assert scope.longest_end_s == pytest.approx(3.0 + SAVING_S)
    scope.grace_s = 60.0
    assert scope.longest_end_s == pytest.approx(61.8 + SAVING_S)
