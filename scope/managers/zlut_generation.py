"""The process that makes Z-LUTs."""

import time
from pathlib import Path
from typing import Any

from opticstream.core.errors import OpticstreamError
from opticstream.scope.commands.broadcasts import SetAcquisitionOnCommand
from opticstream.scope.commands.focus import (
    MoveFocusMotorAbsoluteCommand,
    ReportFocusMotorLimitsCommand,
    RequestFocusMotorLimitsCommand,
)
from opticstream.scope.commands.scope import FreezeBeadsCommand
from opticstream.scope.commands.video import (
    LoadZLUTCommand,
    ReportProfileLengthCommand,
    RequestProfileLengthCommand,
    SetSweepCaptureCommand,
)
from opticstream.scope.commands.zlut import (
    CancelZLUTGenerationCommand,
    DiscardZLUTCommand,
    SaveZLUTCommand,
    SelectZLUTBeadCommand,
    StartZLUTGenerationCommand,
)
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.scripts import register_script_command
from opticstream.scope.tracking.zlut import Binning
from opticstream.scope.zlut_generation import (
    AskFocusLimits,
    AskProfileLength,
    CaptureProfiles,
    FreezeBeads,
    MoveFocus,
    SweepDone,
    SweepFailed,
    SweepOutput,
    SweepPhase,
    SweepProgress,
    SweepRequest,
    SweepState,
    SwitchAcquisition,
    ZLutSweep,
)

_REST_S = 0.25
_ROOM = 4
"""Stacks of profiles that fit into a height's dataset beyond those that are wanted."""


class ZLUTGenerationManager(ManagerProcessBase):
    """Runs sweeps of the focus motor. A sweep dies with its process; beads and acquisition are then let go again."""

    loop_interval_s = 0.05

    def __init__(self) -> None:
        super().__init__()
        self._sweep: ZLutSweep
        self._dataset: Any = None
        self._taken = 0
        self._count = 0
        self._wanted = 0
        self._bins = 0

    def setup(self) -> None:
        """Make the machine; undo what a sweep of an earlier life has left."""
        self._sweep = ZLutSweep()
        if self.kept.get("sweeping"):
            self.send_ipc(SetSweepCaptureCommand(None))
            self.send_ipc(FreezeBeadsCommand(False))
            self.send_ipc(SetAcquisitionOnCommand(bool(self.kept.get("acquisition", True))))
            self.keep(sweeping=False)
            self.error("the Z-LUT was not made: its process died")

    def loop_wait_s(self) -> float:
        """Look often while a sweep is under way, and seldom otherwise."""
        resting = self._sweep.phase in (SweepPhase.IDLE, SweepPhase.EVALUATING)
        return _REST_S if resting else self.loop_interval_s

    def do_main_loop(self) -> None:
        """Hand the motor's rows and the profiles to the machine."""
        sweep, now = self._sweep, time.time()
        if sweep.phase in (SweepPhase.IDLE, SweepPhase.EVALUATING):
            return
        if self.shared.focus_motor is not None:
            self._do(sweep.motor_status(now, self.shared.hardware_buffers[self.shared.focus_motor].read()))
        if self._dataset is not None:
            rows = self._dataset.peak()
            fresh = slice(self._taken, len(rows.timestamps))
            self._taken = len(rows.timestamps)
            if fresh.start < fresh.stop:
                self._do(sweep.captured(now, rows.timestamps[fresh], rows.bead_ids[fresh], rows.profiles[fresh]))
        self._do(sweep.tick(time.time()))

    def cleanup(self) -> None:
        """Remove the dataset."""
        self._forget()

    @register_ipc_command(StartZLUTGenerationCommand)
    @register_script_command(StartZLUTGenerationCommand)
    def start_zlut_generation(self, start: float, step: float, stop: float, profiles_per_bead: int) -> None:
        """Make a Z-LUT of every bead by moving the focus from start to stop, nm."""
        if self._sweep.phase is SweepPhase.IDLE:
            self._sweep = ZLutSweep()
            self._wanted = profiles_per_bead
            if self.shared.focus_motor is not None:
                self.shared.hardware_buffers[self.shared.focus_motor].read()  # where it was before is none of ours
            self.keep(sweeping=True, acquisition=self._acquisition_on)
        try:
            request = SweepRequest(start, step, stop, profiles_per_bead)
        except OpticstreamError as error:
            self._do([SweepFailed("Could not start Z-LUT generation", str(error))])
            return
        self._do(
            self._sweep.start(
                request,
                time.time(),
                beads=list(self.bead_rois),
                tracking=self._acquisition_mode.tracks,
                focus_motor=self.shared.focus_motor is not None,
                acquisition_on=self._acquisition_on,
            )
        )

    @register_ipc_command(ReportFocusMotorLimitsCommand)
    def report_focus_motor_limits(self, lowest: float, highest: float) -> None:
        """Take the motor's limits, nm."""
        self._do(self._sweep.focus_limits(time.time(), lowest, highest))

    @register_ipc_command(ReportProfileLengthCommand)
    def report_profile_length(self, length: int, binning: Binning = "unknown", oversample: int = 1) -> None:
        """Take how long profiles are, and how pixels are counted in them."""
        self._bins = length
        self._do(self._sweep.profile_length(time.time(), length, binning=binning, oversample=oversample))

    @register_ipc_command(CancelZLUTGenerationCommand)
    @register_script_command(CancelZLUTGenerationCommand)
    def cancel_zlut_generation(self) -> None:
        """Make none."""
        self._do(self._sweep.cancel())

    @register_ipc_command(DiscardZLUTCommand)
    def discard_zlut(self) -> None:
        """Forget the new Z-LUT."""
        if self._sweep.phase is SweepPhase.EVALUATING:
            self._do(self._sweep.cancel())

    @register_ipc_command(SelectZLUTBeadCommand)
    def select_zlut_bead(self, bead: int) -> None:
        """Take the profiles of this bead."""
        try:
            self._sweep.select(bead)
        except OpticstreamError as error:
            self.error("this Z-LUT cannot be taken", str(error))

    @register_ipc_command(SaveZLUTCommand)
    @register_script_command(SaveZLUTCommand)
    def save_zlut(self, filepath: str, load: bool = False) -> None:
        """Write the selected Z-LUT, and use it where ``load`` says so."""
        try:
            self._do(self._sweep.save(Path(filepath)))
        except OpticstreamError as error:
            self.error("the Z-LUT was not saved", str(error))
            return
        if load:
            self.send_ipc(LoadZLUTCommand(filepath))

    def _do(self, outputs: list[SweepOutput]) -> None:
        for output in outputs:
            match output:
                case AskFocusLimits():
                    self.send_ipc(RequestFocusMotorLimitsCommand())
                case AskProfileLength():
                    self.send_ipc(RequestProfileLengthCommand())
                case MoveFocus(z_nm):
                    self.send_ipc(MoveFocusMotorAbsoluteCommand(z_nm))
                case SwitchAcquisition(on):
                    self.send_ipc(SetAcquisitionOnCommand(on))
                case FreezeBeads(on):
                    self.send_ipc(FreezeBeadsCommand(on))
                case CaptureProfiles(after_s):
                    self._capture(after_s)
                case _:
                    self._say(output)

    def _say(self, output: SweepOutput) -> None:
        match output:
            case SweepProgress():
                self.show("zlut progress", [output.step, output.steps, output.profiles, output.profiles_per_bead])
            case SweepState(phase, text):
                if phase in (SweepPhase.IDLE, SweepPhase.EVALUATING):
                    self.keep(sweeping=False)
                self.show("zlut generation", {"phase": phase.value, "text": text})
            case SweepFailed(title, reason):
                self.keep(sweeping=self._sweep.phase not in (SweepPhase.IDLE, SweepPhase.EVALUATING))
                self.error(title, reason)
            case SweepDone(evaluation):
                self.show("zlut beads", {"made": list(evaluation.zluts), "failed": evaluation.failed})

    def _capture(self, after_s: float | None) -> None:
        """Let the video processor write profiles into a dataset of this height, or let it stop."""
        self._forget()
        if after_s is None:
            self.send_ipc(SetSweepCaptureCommand(None))
            return
        from opticstream.scope.datatypes import ZLUTSweepDataset
        from opticstream.scope.memory import segment_name

        self._count += 1
        frames = self._wanted + _ROOM * int(self.settings["video buffer n images"])
        name = segment_name(self.shared.about["uid"], f"sweep{self._count}")
        beads = max(1, len(self.bead_rois))
        self._dataset = ZLUTSweepDataset(name, True, capacity=beads * frames, profile_length=self._bins)
        self._taken = 0
        self.send_ipc(SetSweepCaptureCommand(name, 0, after_s))

    def _forget(self) -> None:
        if self._dataset is not None:
            self._dataset.destroy()
            self._dataset = None
