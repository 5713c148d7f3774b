"""The process that runs scripts."""

import logging
import time
from pathlib import Path

from opticstream.scope.acquisition import AcquisitionMode
from opticstream.scope.commands.broadcasts import (
    SetAcquisitionDirCommand,
    SetAcquisitionDirOnCommand,
    SetAcquisitionModeCommand,
    SetAcquisitionOnCommand,
)
from opticstream.scope.commands.scripts import (
    AbortScriptCommand,
    LoadScriptCommand,
    PauseScriptCommand,
    ProcessDiedCommand,
    ResumeScriptCommand,
    StartScriptCommand,
    UpdateScriptStatusCommand,
    UpdateWaitingCommand,
)
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.live_view import LiveView
from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.scripts import (
    ScriptMessage,
    ScriptOutput,
    ScriptRegistry,
    ScriptRunner,
    SendCommand,
    StatusChange,
    StepReport,
    register_script_command,
)

logger = logging.getLogger("opticstream.scope")

_LOOK_S = 0.02
"""How often conditions are looked at."""


class ScriptManager(ManagerProcessBase):
    """Runs one script at a time; ``autostart`` is the file of one that begins with the scope."""

    def __init__(self) -> None:
        super().__init__()
        self.script_registry: ScriptRegistry
        self.autostart: Path | None = None
        self._runner: ScriptRunner
        self._step = ""
        self._error = ""
        self._asked = ""
        """Process that got the newest command."""

    def setup(self) -> None:
        """Make the runner. A script is not taken up again in the middle: its state was in the process that died."""
        self._runner = ScriptRunner(self.script_registry, LiveView(self.shared))
        if self.kept.get("running"):
            self.keep(running=False)
            self.error("the script was ended: its process died")
            self.send_ipc(UpdateScriptStatusCommand("Error", error="its process died"))
        elif self.autostart is not None and not self.kept.get("autostarted"):
            self.keep(autostarted=True)
            self._do(self._runner.load(self.autostart))

    def loop_wait_s(self) -> float:
        """Sleep until the next step is due."""
        due = self._runner.due_in(time.monotonic())
        return self.loop_interval_s if due is None else min(max(due, 0.0), _LOOK_S if due > 0 else 0.0)

    def do_main_loop(self) -> None:
        """Carry out the step that is due."""
        self._do(self._runner.tick(time.monotonic()))

    def cleanup(self) -> None:
        """Let a generator clean up; what it still sends goes nowhere."""
        runner = getattr(self, "_runner", None)
        if runner is not None:
            runner.abort()

    @register_ipc_command(LoadScriptCommand)
    def load_script(self, path: str) -> None:
        """Read a script; an empty path forgets the present one."""
        self._do(self._runner.load(Path(path) if path else None))

    @register_ipc_command(StartScriptCommand)
    def start_script(self) -> None:
        """Run it from its first step."""
        self._do(self._runner.start(time.monotonic()))

    @register_ipc_command(PauseScriptCommand)
    def pause_script(self) -> None:
        """Stop before the next step."""
        self._do(self._runner.pause(time.monotonic()))

    @register_ipc_command(ResumeScriptCommand)
    def resume_script(self) -> None:
        """Go on."""
        self._do(self._runner.resume(time.monotonic()))

    @register_ipc_command(AbortScriptCommand)
    def abort_script(self) -> None:
        """End it now."""
        self._do(self._runner.abort())

    @register_ipc_command(UpdateWaitingCommand)
    def update_waiting(self) -> None:
        """Take the answer that the script waits for."""
        self._do(self._runner.waiting_updated())

    @register_ipc_command(ProcessDiedCommand)
    def process_died(self, process_name: str) -> None:
        """Wait no longer for an answer that nobody owes any more."""
        if process_name == self._asked:
            self._do(self._runner.answer_lost(f"{process_name} died"))

    # What every process answers, scripts may ask of all at once.

    @register_script_command(SetAcquisitionOnCommand)
    def set_acquisition_on(self, value: bool) -> None:
        """Process frames, or let them pass."""
        super().set_acquisition_on(value)

    @register_script_command(SetAcquisitionDirCommand)
    def set_acquisition_dir(self, value: str | None) -> None:
        """Save into another folder."""
        super().set_acquisition_dir(value)

    @register_script_command(SetAcquisitionDirOnCommand)
    def set_acquisition_dir_on(self, value: bool) -> None:
        """Save, or do not."""
        super().set_acquisition_dir_on(value)

    @register_script_command(SetAcquisitionModeCommand)
    def set_acquisition_mode(self, mode: AcquisitionMode) -> None:
        """Track, save video, or both."""
        super().set_acquisition_mode(mode)

    def _do(self, outputs: list[ScriptOutput]) -> None:
        for output in outputs:
            match output:
                case SendCommand(command):
                    self._asked = self.shared.registry.route_for(command).target
                    self.send_ipc(command)
                case StepReport():
                    self._step = output.text
                    self._say()
                case StatusChange(status):
                    self.keep(running=status in ("Running", "Paused"))
                    self._say()
                case ScriptMessage("error", text, details):
                    self._error = f"{text}\n{details}".strip()
                    self.error(text, details)
                case ScriptMessage("warning", text, details):
                    self.warn(text, details)
                case ScriptMessage(_, text):
                    logger.info("%s", text)

    def _say(self) -> None:
        status = str(self._runner.status)
        self.send_ipc(UpdateScriptStatusCommand(status, self._step, self._error if status == "Error" else ""))
