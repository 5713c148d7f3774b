"""Loops over several processes of a scope: a Z-LUT is made and used, a focus and regions are held, a script decides."""

import math
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from opticstream.scope.cameras import DummyCameraBeads
from opticstream.scope.commands.broadcasts import SetAcquisitionDirOnCommand
from opticstream.scope.commands.camera import SetCameraSettingCommand
from opticstream.scope.commands.focus import MoveFocusMotorAbsoluteCommand
from opticstream.scope.commands.locks import (
    ExecuteXYLockCommand,
    ExecuteZLockCommand,
    SetXYLockIntervalCommand,
    SetXYLockMaxCommand,
    SetXYLockOnCommand,
    SetZLockBeadCommand,
    SetZLockIntervalCommand,
    SetZLockOnCommand,
    SetZLockTargetCommand,
)
from opticstream.scope.commands.scope import MoveBeadsCommand
from opticstream.scope.commands.scripts import LoadScriptCommand, StartScriptCommand
from opticstream.scope.commands.zlut import SaveZLUTCommand, StartZLUTGenerationCommand
from opticstream.scope.files import read_tracking_file
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.tracking import TrackingOptions, ZLut
from support.running_scope import make_scope, running
from support.waiting import until

MOTOR = "SimulatedFocusMotor"


class Scope:
    """A running scope with a focus motor and a Z-LUT that was made by it."""

    def __init__(self, scope, zlut: Path) -> None:
        self.scope, self.zlut = scope, zlut

    def motor(self):
        return self.scope._hardware_buffers[MOTOR].newest(1)[0]

    def go(self, z: float) -> None:
        """Move the focus, and wait until it is there and frames of it have been tracked."""
        self.scope.send(MoveFocusMotorAbsoluteCommand(z))
        self.settled(z)

    def settled(self, z: float) -> None:
        until(lambda: self.motor()[2] == z and self.motor()[3] == 1, f"the motor is at {z:g} nm")
        self.new_rows(self.motor()[0])

    def new_rows(self, since: float, least: int = 20):
        """Return tracks of frames that were taken later."""

        def rows():
            found = self.scope.tracks_buffer.newest(2000)
            found = found[found[:, 0] > since]
            return found if len(np.unique(found[:, 0])) >= least else None

        return until(lambda: rows() is not None and rows, "new tracks")()

    def lock_takes(self, command) -> None:
        """Set a parameter of a lock, and wait until its process has it, and has done what it was told before."""
        name = type(command).__name__.removeprefix("Set").removesuffix("Command")
        shown = {"ZLockOn": "z lock on", "ZLockTarget": "z lock target", "XYLockMax": "xy lock max"}[name]
        self.scope.values.pop(shown, None)
        self.scope.send(command)
        until(lambda: self.scope.values.get(shown) == command.value, f"the lock has {command}")

    def z(self, bead: int) -> float:
        rows = self.new_rows(self.scope.tracks_buffer.newest(1)[0, 0])
        return float(np.nanmedian(rows[rows[:, 4] == bead, 3]))

    def offset(self, bead: int):
        """Return how far a bead is from the middle of its region, x and y px."""
        x0, x1, y0, y1 = self.scope.beads[bead]
        rows = self.new_rows(self.scope.tracks_buffer.newest(1)[0, 0])
        x, y = np.nanmean(rows[rows[:, 4] == bead, 1:3], axis=0) / 200.0
        return x - (x0 + x1 - 1) / 2, y - (y0 + y1 - 1) / 2


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    zlut = tmp_path_factory.mktemp("loops") / "made.txt"
    # It records from the beginning, so that the process that writes files is none of a test's.
    scope = make_scope(tmp_path_factory.mktemp("before"), name="loops")
    camera = DummyCameraBeads()
    for name, value in {"fixed_n": 4, "tethered_n": 0, "framerate": 100}.items():
        camera[name] = value
    scope.camera_manager.camera = camera
    scope.video_processor_manager.tracking_options = TrackingOptions.of("linear_bins")
    scope.add_hardware(SimulatedFocusMotor(1000.0))
    with running(scope):
        until(lambda: len(scope.beads) == 4, "four beads")
        until(lambda: "tracking file" in scope.values, "tracks are written")
        scope.send(SetAcquisitionDirOnCommand(False))
        scope.send(StartZLUTGenerationCommand(-500.0, 100.0, 500.0, 10))
        until(lambda: scope.values.get("zlut beads") or scope.problems, "a Z-LUT")
        assert not scope.problems
        scope.send(SaveZLUTCommand(str(zlut), load=True))
        until(lambda: scope.values.get("zlut"), "the Z-LUT is used")
        yield Scope(scope, zlut)
    assert scope.outcome.succeeded


def test_a_z_lut_made_by_command_says_the_heights(loop):
    assert loop.scope.values["zlut beads"] == {"made": [0, 1, 2, 3], "failed": {}}
    made = ZLut.load(loop.zlut)
    assert (made.binning, made.oversample, len(made.z_nm)) == ("linear", 1, 11)
    for height in (237.0, -333.0):
        loop.go(height)
        rows = loop.new_rows(loop.motor()[0])
        for bead in loop.scope.beads:
            assert np.nanmedian(rows[rows[:, 4] == bead, 3]) == pytest.approx(height, abs=20.0)


def test_the_focus_follows_a_bead_that_drifts(loop):
    loop.go(0.0)
    loop.scope.send(SetZLockBeadCommand(0))
    loop.scope.send(SetZLockTargetCommand(0.0))
    try:
        loop.scope.send(SetCameraSettingCommand("fixed_z", "0.3"))  # the sample rises by 300 nm
        until(lambda: loop.z(0) > 280.0, "the bead has drifted")
        loop.scope.send(SetZLockIntervalCommand(0.3))
        loop.scope.send(SetZLockOnCommand(True))
        until(lambda: abs(loop.z(0)) < 20.0, "the bead is in focus again")
        loop.lock_takes(SetZLockOnCommand(False))
        assert loop.motor()[2] == pytest.approx(-300.0, abs=25.0)
        loop.go(before := -300.0)

        loop.lock_takes(SetZLockTargetCommand(200.0))
        loop.new_rows(time.time())
        motor = psutil.Process(loop.scope.processes[MOTOR].pid)
        motor.suspend()  # it cannot have moved in between
        try:
            for turn in range(3):  # the lock may not have had new positions at the first
                for _ in range(5):
                    loop.scope.send(ExecuteZLockCommand())
                loop.lock_takes(SetXYLockMaxCommand(10.0 + turn))
                loop.new_rows(time.time())
        finally:
            motor.resume()
        until(lambda: loop.motor()[2] != before, "the focus is corrected")
        loop.settled(loop.motor()[2])
        assert loop.motor()[2] - before == pytest.approx(100.0, abs=15.0)  # half of it, once
    finally:
        loop.scope.send(SetZLockOnCommand(False))
        loop.scope.send(SetCameraSettingCommand("fixed_z", "0.0"))


def test_regions_go_back_to_their_beads(loop):
    loop.go(0.0)
    home = dict(loop.scope.beads)
    loop.scope.send(MoveBeadsCommand(((0, 6, -5), (2, -4, 0))))
    until(lambda: loop.scope.beads != home, "two regions are off")
    loop.new_rows(loop.scope.tracks_buffer.newest(1)[0, 0])
    asked = -math.inf

    def back():
        nonlocal asked
        if time.monotonic() - asked > 3.0:  # on a busy machine there may be no fresh position at the first time
            asked = time.monotonic()
            loop.scope.send(ExecuteXYLockCommand())
        return max(map(abs, (*loop.offset(0), *loop.offset(2)))) <= 1.0

    until(back, "they are back")

    # Several moves one after the other: each is answered, so the next does not wait for ten seconds.
    loop.scope.send(SetXYLockIntervalCommand(0.2))
    loop.scope.send(SetXYLockOnCommand(True))
    for dx in (5, -5, 5):
        loop.scope.send(MoveBeadsCommand(((1, dx, 0),)))
        until(lambda: max(map(abs, loop.offset(1))) <= 1.0, "it is back")
    loop.scope.send(SetXYLockOnCommand(False))


SCRIPT = """
from opticstream.scope.commands.broadcasts import SetAcquisitionDirCommand, SetAcquisitionDirOnCommand
from opticstream.scope.commands.focus import MoveFocusMotorAbsoluteCommand
from opticstream.scope.scripting import WaitUntilAcquisitionOnCommand, wait_until

def main(scope):
    yield SetAcquisitionDirCommand({folder!r})
    yield MoveFocusMotorAbsoluteCommand(-400.0)
    yield wait_until(lambda live: live.z(0) < -100.0, timeout=60)
    yield SetAcquisitionDirOnCommand(True)
    yield WaitUntilAcquisitionOnCommand(True)  # whoever answers that has begun to record
    for _ in range(2):  # between two turns the motor's process has heard of it, too
        row = scope.hardware("SimulatedFocusMotor")[0]
        yield wait_until(lambda live, row=row: live.hardware("SimulatedFocusMotor")[0] > row, timeout=60)
    yield MoveFocusMotorAbsoluteCommand(400.0)
    yield wait_until(lambda live: live.z(0) > 100.0, timeout=60)
    yield SetAcquisitionDirOnCommand(False)
"""


def test_a_script_records_while_a_bead_is_where_it_should_be(loop, tmp_path):
    loop.go(0.0)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(tmp_path)), "utf-8")
    loop.scope.send(LoadScriptCommand(str(script)))
    loop.scope.send(StartScriptCommand())
    until(lambda: loop.scope.values.get("script", {}).get("status") in ("Finished", "Error"), "the script is over")
    assert loop.scope.values["script"]["status"] == "Finished", loop.scope.values["script"]["error"]

    def recorded():
        files = list(tmp_path.glob("*.h5"))
        return files and read_tracking_file(files[0]).closed and read_tracking_file(files[0])

    recording = until(recorded, "the file is closed")
    _, places = recording.bead(0)
    z = places[:, 2][np.isfinite(places[:, 2])]
    assert z[0] < 0 < z[-1] and len(z) > 10
    telemetry = np.loadtxt(tmp_path / f"{MOTOR}.txt")
    assert (telemetry[0, 1] < 0 < telemetry[-1, 1]) and (np.diff(telemetry[:, 0]) > 0).all()
