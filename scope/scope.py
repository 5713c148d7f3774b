"""The scope: the process that all others belong to."""

import logging
import multiprocessing
import threading
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar
from warnings import warn

from opticstream.scope.acquisition import Acquisition
from opticstream.scope.child_link import ChildLink
from opticstream.scope.commands.broadcasts import QuitCommand, SetSettingsCommand
from opticstream.scope.commands.scripts import StartScriptCommand
from opticstream.scope.ipc import Command, CommandRegistry
from opticstream.scope.managers.bead_lock import BeadLockManager
from opticstream.scope.managers.camera import CameraManager
from opticstream.scope.managers.focus_motor import FocusMotorBase
from opticstream.scope.managers.hardware import HardwareManagerBase
from opticstream.scope.managers.script import ScriptManager
from opticstream.scope.managers.ui import UIManager
from opticstream.scope.managers.video_processor import VideoProcessorManager
from opticstream.scope.managers.zlut_generation import ZLUTGenerationManager
from opticstream.scope.orchestration.answering import Answering
from opticstream.scope.orchestration.bead_owner import BeadOwner
from opticstream.scope.orchestration.camera_health import CameraHealth
from opticstream.scope.orchestration.keeping import Keeping
from opticstream.scope.orchestration.listing import Listing
from opticstream.scope.orchestration.reporting import Reporting
from opticstream.scope.orchestration.resources import BUFFER_LOCKS, SharedResources
from opticstream.scope.orchestration.routing import Routing
from opticstream.scope.orchestration.sent_commands import SentCommands
from opticstream.scope.orchestration.silence import SilenceWatch
from opticstream.scope.orchestration.splash import StartupSplash
from opticstream.scope.orchestration.supervision import Supervision
from opticstream.scope.outcome import Outcome
from opticstream.scope.settings import MagScopeSettings, ScopePreferences

logger = logging.getLogger("opticstream.scope")


class MagScope(
    Answering,
    BeadOwner,
    Routing,
    Supervision,
    SharedResources,
    StartupSplash,
    CameraHealth,
    Listing,
    Keeping,
    Reporting,
):
    """A live microscope: a camera, what tracks beads in its frames, what keeps them in focus, what records them.

    Configure it, add hardware, then `start` it; that returns when the scope has ended. Each instance runs once.

    Args:
        verbose: log what happens, not only what goes wrong.
        print_ipc_commands: `start` prints the commands between processes, and returns.
        print_script_commands: `start` prints the commands of scripts, and returns.
        name: tells scopes of one computer apart. Without a name there is one in a process.
        settings: instead of the user's preferences, of which then none is used.

    Raises:
        TypeError: a second one without a name.
    """

    _unnamed: ClassVar["MagScope | None"] = None
    _running: bool = False
    _log_level: int = logging.INFO
    _command_registry_initialized: bool = False
    _print_ipc_commands: bool = False
    _print_script_commands: bool = False
    _terminated: bool = False
    lock_names: list[str]

    def __init__(
        self,
        *,
        verbose: bool = False,
        print_ipc_commands: bool = False,
        print_script_commands: bool = False,
        name: str | None = None,
        settings: "MagScopeSettings | None" = None,
    ) -> None:
        if name is None:
            if MagScope._unnamed is not None:
                raise TypeError("there is a MagScope in this process already; a second one needs a name=")
            MagScope._unnamed = self
        self.name = name or "scope"
        self.beadlock_manager = BeadLockManager()
        self.camera_manager = CameraManager()
        self.video_processor_manager = VideoProcessorManager()
        self.zlut_generation_manager = ZLUTGenerationManager()
        self.ui_manager = UIManager()
        self.script_manager = ScriptManager()
        self.preferences = ScopePreferences.load() if settings is None else None
        if self.preferences is not None:
            self.video_processor_manager.tracking_options = self.preferences.tracking
        self._hardware: dict[str, HardwareManagerBase] = {}
        self._hardware_buffers: dict[str, Any] = {}
        self.processes: dict[str, Any] = {}
        self.command_registry = CommandRegistry()
        self.lock_names = list(BUFFER_LOCKS)
        self.locks: dict[str, Any] = {}
        self.pipes: dict[str, Connection] = {}
        self.quitting_events: dict[str, Any] = {}
        self._signs_of_life: dict[str, Any] = {}
        self._silence = SilenceWatch()
        self.shared_values: Any = None
        self.live_profile_buffer: Any = None
        self.bead_roi_buffer: Any = None
        self.tracks_buffer: Any = None
        self.video_buffer: Any = None
        self.flow_run_id = ""
        self.kernel_cache: Path | None = None
        """Where compiled kernels are kept; None: where the settings say."""
        self.problems: deque[tuple[float, str, str]] = deque(maxlen=200)
        self._sent = SentCommands()
        """Time, text and details of the newest warnings and errors."""
        self.values: dict[str, Any] = {}
        """The newest of everything that is shown, by name."""
        self._last_status: dict[str, Any] = {}
        self.outcome: Outcome | None = None
        """How it ended."""
        self._links: dict[str, ChildLink] = {}
        self._kept: dict[str, dict[str, Any]] = {}
        self._acquisition = Acquisition()
        self._settings = settings if self.preferences is None else self.preferences.settings
        self._settings.set_persistence_listener(self._settings_not_stored)
        self._quitting: Any = None
        self._quit_reason: str | None = None
        self._failed = False
        self._ready: set[str] = set()
        self._inbox: deque[Command] = deque()
        self._wake, self._waker = multiprocessing.Pipe(duplex=False)
        self._waking = threading.Lock()
        self.over = threading.Event()
        """Set when the scope has ended."""
        self.up = threading.Event()
        """Set while all processes have been set up and none is to end."""
        self._print_ipc_commands = print_ipc_commands
        self._print_script_commands = print_script_commands
        self._log_level = logging.INFO if verbose else logging.WARNING
        self._apply_logging_preferences()

    # Configuration.

    def add_hardware(self, hardware: HardwareManagerBase) -> None:
        """Add a device; its process starts with the scope. Plots and panels that it brings are added too.

        Raises:
            ValueError: it is the second focus motor.
        """
        if isinstance(hardware, FocusMotorBase):
            for name, other in self._hardware.items():
                if isinstance(other, FocusMotorBase) and name != hardware.name:
                    raise ValueError(f"a scope has one focus motor: {hardware.name} cannot join {name}")
        self.command_registry.register_manager(hardware)
        if hardware.name not in self._hardware:
            for plot in hardware.plots():
                self.add_timeplot(plot)
            for panel in hardware.panels():
                self.add_control(panel, 0)
        self._hardware[hardware.name] = hardware

    def add_control(self, control_type: type[Any], column: int) -> None:
        """Add a panel of controls to the interface."""
        self.ui_manager.controls_to_add.append((control_type, column))

    def add_timeplot(self, plot: Any) -> None:
        """Add a plot over time to the interface and the report."""
        self.ui_manager.plots_to_add.append(plot)

    def _coerce_settings(self, value: "MagScopeSettings | dict[str, Any]") -> "MagScopeSettings":
        return value.clone() if isinstance(value, MagScopeSettings) else MagScopeSettings(value)

    @property
    def settings(self) -> "MagScopeSettings":
        """The settings; set a mapping or settings to change them, in every process."""
        current: MagScopeSettings = self._settings
        return current

    @settings.setter
    def settings(self, value: "MagScopeSettings | dict[str, Any]") -> None:
        self.update_settings(value)

    def update_settings(self, settings: "MagScopeSettings | dict[str, Any]") -> None:
        """Use other settings, keep them for the next time, and tell every process.

        Raises:
            ValueError: a value is out of its range.
            KeyError: there is no such setting.
        """
        changed = self._coerce_settings(settings)
        late = self._waits_for_restart(changed) if self._running else []
        self._settings.update(changed)  # in place: these are the ones that are stored
        if self._running:  # the rest is for the thread that relays commands
            self.send(SetSettingsCommand(self._settings.clone()))
            for one in late:
                self.send(one)

    def set_verbose_logging(self, enabled: bool = True) -> None:
        """Log what happens, or only what goes wrong."""
        self._log_level = logging.INFO if enabled else logging.WARNING
        self._apply_logging_preferences()

    def _apply_logging_preferences(self) -> None:
        """Apply the present verbosity to the log."""
        logger.setLevel(self._log_level)

    @classmethod
    def _reset_singleton_for_testing(cls) -> None:
        """Forget the instance without a name."""
        cls._unnamed = None

    # Life.

    def start(self) -> None:
        """Start every process and relay their commands until the scope ends; then join them all.

        Ctrl+C ends the scope and is raised again.

        Raises:
            RuntimeError: it has ended before.
            MissingCommandHandlerError: a command would find nobody.
        """
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            logger.debug("a process of a scope reads this module again; it starts no scope")
            return
        self._ensure_not_terminated()
        self._apply_logging_preferences()
        if not self._mark_running():
            return
        interrupted: BaseException | None = None
        try:
            self._collect_processes()
            self._setup_command_registry()
            if self._print_ipc_commands or self._print_script_commands:
                self._print_and_return()
                return
            self._fit_to_machine()
            self._take_last_zlut()
            self._open_for_others()
            self._start_startup_splash()
            self._initialize_shared_state()
            self._start_managers()
            self._place_first_beads()
            self._main_ipc_loop()
        except KeyboardInterrupt as interruption:
            interrupted, self._quit_reason = interruption, "interrupted"
        except BaseException as error:
            self._quit_reason, self._failed = f"{type(error).__name__}: {error}", True
            raise
        finally:
            self._end()
            self._draw_report()
        if interrupted is not None:
            raise interrupted

    def stop(self) -> None:
        """End the scope from another thread, and wait until every process has ended.

        That takes two seconds at most, whatever hangs; longer, up to `longest_end_s`, while files are being written.

        Raises:
            RuntimeError: it has ended before.
        """
        self._ensure_not_terminated()
        if not self._running:
            warn("MagScope is not running", stacklevel=2)
            return
        self.request_stop("stopped")
        self.over.wait(self.longest_end_s)

    def begin_with(self, acquisition: Acquisition) -> None:
        """Begin with this acquisition; before the scope starts."""
        self._acquisition = acquisition

    def request_stop(self, reason: str, *, failed: bool = False) -> None:
        """Let the scope end, and do not wait for it; may be called by a signal's handler."""
        if self._quit_reason is None:
            self._quit_reason, self._failed = reason, failed
        self._rouse()

    def send(self, command: Command) -> None:
        """Send a command to whoever answers it, from any thread of this process.

        Raises:
            UnknownCommandError: nobody registered it.
        """
        self.command_registry.route_for(command)
        self._inbox.append(command)
        self._rouse()

    def _all_ready(self) -> None:
        """Begin the script that begins with the scope: now the processes that it looks at are there.

        One that could not be loaded has been told of already.
        """
        loaded = self.values.get("script", {}).get("status") != "Error"
        if self.script_manager.autostart is not None and loaded:
            self.send(StartScriptCommand())

    def _rouse(self) -> None:
        if not self._wake.closed and not self._wake.poll(0):
            self._waker.send_bytes(b"!")

    def _mark_running(self) -> bool:
        """Note that the scope runs; False: it does already."""
        if self._running:
            warn("MagScope is already running", stacklevel=3)
            return False
        self._running = True
        return True

    def _ensure_not_terminated(self) -> None:
        """Refuse to go on with a scope that has ended."""
        if self._terminated:
            raise RuntimeError("this MagScope has ended and cannot be used again; make a new one")

    def _mark_terminated(self) -> None:
        """Note that the scope has ended for good."""
        self._terminated = True

    def _collect_processes(self) -> None:
        """List the processes in the order they start."""
        built_in = (
            self.script_manager,
            self.camera_manager,
            self.beadlock_manager,
            self.video_processor_manager,
            self.zlut_generation_manager,
            self.ui_manager,
        )
        self.processes = {manager.name: manager for manager in (*built_in, *self._hardware.values())}

    def _main_ipc_loop(self) -> None:
        """Relay commands and look after the processes until the scope is to end."""
        self._reset_camera_health_logging_state()
        while self._quit_reason is None:
            handled = self.receive_ipc()
            while self._inbox and self._quit_reason is None:
                self._process_command(self._inbox.popleft())
                handled = True
            handled |= self._look_after_managers()
            self._listen_for_life()
            self._look_for_first_beads()
            self._check_startup_splash_timeout()
            self._log_camera_health_if_due()
            if not handled and self._quit_reason is None:
                self._sleep_when_idle()

    def _end(self) -> None:
        """End every process and leave nothing behind."""
        self.up.clear()
        self._close_for_others()
        began = time.monotonic()
        if self._quitting is not None:
            self._drain_child_pipes_after_quit()
            self._join_processes()
            self._last_status = self.status()
            self._keep_last_rows()
        if self._folder is not None:  # also where the start failed half-way
            self._remove_shared_resources()
        self._stop_startup_splash()
        self._running = False
        if not (self._print_ipc_commands or self._print_script_commands):
            self._mark_terminated()
            self.outcome = Outcome(not self._failed, self._quit_reason or "ended")
            logger.info("the scope has ended (%s) in %.2f s", self.outcome.reason, time.monotonic() - began)
        self.over.set()

    def _show(self, command: Command) -> None:
        self._process_command(command)


__all__ = ["MagScope", "QuitCommand", "logger"]
