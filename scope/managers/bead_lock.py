"""The process that keeps regions on their beads, and a bead in focus."""

import time
from collections.abc import Callable
from typing import Any

from opticstream.scope.commands.focus import MoveFocusMotorAbsoluteCommand
from opticstream.scope.commands.locks import (
    BeadsRenumberedCommand,
    ExecuteXYLockCommand,
    ExecuteZLockCommand,
    ForgetTracksCommand,
    SetXYLockIntervalCommand,
    SetXYLockMaxCommand,
    SetXYLockOnCommand,
    SetXYLockWindowCommand,
    SetZLockBeadCommand,
    SetZLockIntervalCommand,
    SetZLockMaxCommand,
    SetZLockOnCommand,
    SetZLockTargetCommand,
    SetZLockWindowCommand,
)
from opticstream.scope.commands.scope import MoveBeadsCommand
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.locks import FocusState, XYLock, ZLock
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.scripts import register_script_command
from opticstream.scope.track_rows import batches_of_rows


class BeadLockManager(ManagerProcessBase):
    """Runs both locks on the tracks as they come; what was set survives the death of this process."""

    loop_interval_s = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._xy: XYLock
        self._z: ZLock
        self._regions: dict[int, tuple[int, int, int, int]] = {}

    def setup(self) -> None:
        """Make the locks with the settings' values, and those that were set in an earlier life."""
        settings = self.settings
        self._xy = XYLock(
            self._nm_per_px(),
            interval_s=float(settings["xy-lock default interval"]),
            max_px=float(settings["xy-lock default max"]),
            window=int(settings["xy-lock default window"]),
        )
        self._z = ZLock(
            interval_s=float(settings["z-lock default interval"]),
            max_nm=float(settings["z-lock default max"]),
            window=int(settings["z-lock default window"]),
        )
        self.tracks_buffer.read()  # what was tracked before is none of ours
        self._take_rois()
        for name, value in self.kept.items():
            getattr(self, name)(value)

    def do_main_loop(self) -> None:
        """Take what has been tracked, and do the pass that is due."""
        for batch in batches_of_rows(self.tracks_buffer.read()):
            self._xy.feed(batch)
            self._z.feed(batch)
        self._see_focus()
        now = time.time_ns()
        self._move(self._xy.plan(now))
        self._focus(self._z.plan(now))

    def _nm_per_px(self) -> float:
        return float(self.shared.about["nm_per_px"]) / float(self.settings["magnification"])

    def _see_focus(self) -> None:
        name = self.shared.focus_motor
        if name is None:
            return
        rows = self.shared.hardware_buffers[name].newest(1)
        if len(rows):
            _, current, target, there = rows[0]
            self._z.observe_focus(time.time_ns(), FocusState(1, float(current), float(target), bool(there)))

    def _move(self, moves: list[tuple[int, int, int]]) -> None:
        if moves:
            self.send_ipc(MoveBeadsCommand(tuple(moves)))

    def _focus(self, target: float | None) -> None:
        if target is not None and self.shared.focus_motor is not None:
            self.send_ipc(MoveFocusMotorAbsoluteCommand(target))

    def _take_rois(self) -> None:
        now, rois, before = time.time_ns(), self.bead_rois, self._regions
        moved = {bead for bead, roi in rois.items() if before.get(bead) != roi}
        own = moved & self._xy.pending
        if self._z.bead in moved - own:
            self._z.forget_tracks(now)
        self._xy.set_rois(now, rois, own)
        self._xy.answered(own)
        self._regions = rois

    def refresh_bead_rois(self) -> None:
        """Take the regions there are now; one that moved while the lock waited for that was moved by the lock."""
        super().refresh_bead_rois()
        self._take_rois()

    def set_settings(self, settings: Any) -> None:
        """Use other settings; another magnification is another scale."""
        super().set_settings(settings)
        self._xy.set_scale(time.time_ns(), self._nm_per_px())

    @register_ipc_command(BeadsRenumberedCommand)
    def beads_renumbered(self, renumbered: dict[int, int]) -> None:
        """Take new ids by old ones."""
        now = time.time_ns()
        self._xy.renumber(now, renumbered)
        if self._z.bead in renumbered:
            self.set_z_lock_bead(renumbered[self._z.bead])

    @register_ipc_command(ForgetTracksCommand)
    def forget_tracks(self) -> None:
        """Correct the focus by later frames only."""
        self._z.forget_tracks(time.time_ns())

    @register_ipc_command(ExecuteXYLockCommand)
    @register_script_command(ExecuteXYLockCommand)
    def execute_xy_lock(self, now: float | None = None) -> None:
        """Centre the regions on their beads once."""
        self._move(self._xy.execute(time.time_ns()))

    @register_ipc_command(ExecuteZLockCommand)
    def execute_z_lock(self, now: float | None = None) -> None:
        """Correct the focus once."""
        self._focus(self._z.execute(time.time_ns()))

    def _change(self, name: str, value: Any, change: Callable[[], Any]) -> None:
        """Set a parameter, keep it, and show what holds."""
        try:
            holds = change()
        except ValueError as error:
            self.warn("the lock was not changed", str(error))
            return
        self.keep(**{name: value})
        self.show(name.removeprefix("set_").replace("_", " "), holds)

    @register_ipc_command(SetXYLockOnCommand)
    @register_script_command(SetXYLockOnCommand)
    def set_xy_lock_on(self, value: bool) -> None:
        """Keep regions on their beads, or do not."""
        self._change("set_xy_lock_on", value, lambda: self._xy.set_on(time.time_ns(), value))

    @register_ipc_command(SetXYLockIntervalCommand)
    @register_script_command(SetXYLockIntervalCommand)
    def set_xy_lock_interval(self, value: float) -> None:
        """How often, s."""
        self._change("set_xy_lock_interval", value, lambda: self._xy.set_interval(value))

    @register_ipc_command(SetXYLockMaxCommand)
    @register_script_command(SetXYLockMaxCommand)
    def set_xy_lock_max(self, value: float) -> None:
        """How far at once, px."""
        self._change("set_xy_lock_max", value, lambda: self._xy.set_max(value))

    @register_ipc_command(SetXYLockWindowCommand)
    @register_script_command(SetXYLockWindowCommand)
    def set_xy_lock_window(self, value: int) -> None:
        """From how many frames."""
        self._change("set_xy_lock_window", value, lambda: self._xy.set_window(value))

    @register_ipc_command(SetZLockOnCommand)
    @register_script_command(SetZLockOnCommand)
    def set_z_lock_on(self, value: bool) -> None:
        """Keep a bead in focus, or do not."""
        self._change("set_z_lock_on", value, lambda: self._z.set_on(time.time_ns(), value))

    @register_ipc_command(SetZLockBeadCommand)
    @register_script_command(SetZLockBeadCommand)
    def set_z_lock_bead(self, value: int) -> None:
        """Which bead."""
        self._change("set_z_lock_bead", value, lambda: self._z.set_bead(time.time_ns(), value))

    @register_ipc_command(SetZLockTargetCommand)
    @register_script_command(SetZLockTargetCommand)
    def set_z_lock_target(self, value: float | None) -> None:
        """At which height, nm; None: where it is."""
        self._change("set_z_lock_target", value, lambda: self._z.set_target(time.time_ns(), value))

    @register_ipc_command(SetZLockIntervalCommand)
    @register_script_command(SetZLockIntervalCommand)
    def set_z_lock_interval(self, value: float) -> None:
        """How often, s."""
        self._change("set_z_lock_interval", value, lambda: self._z.set_interval(time.time_ns(), value))

    @register_ipc_command(SetZLockMaxCommand)
    @register_script_command(SetZLockMaxCommand)
    def set_z_lock_max(self, value: float) -> None:
        """How far at once, nm."""
        self._change("set_z_lock_max", value, lambda: self._z.set_max(time.time_ns(), value))

    @register_ipc_command(SetZLockWindowCommand)
    @register_script_command(SetZLockWindowCommand)
    def set_z_lock_window(self, value: int) -> None:
        """From how many frames."""
        self._change("set_z_lock_window", value, lambda: self._z.set_window(time.time_ns(), value))
