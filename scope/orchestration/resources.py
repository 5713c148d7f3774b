"""What the processes of a scope share."""

import logging
import secrets
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opticstream.core.settings import load_settings
from opticstream.imaging.thread_pool import usable_cpus
from opticstream.scope.acquisition import Acquisition
from opticstream.scope.child_link import ChildLink
from opticstream.scope.ipc import CommandRegistry
from opticstream.scope.leftovers import remove_all_leftovers
from opticstream.scope.managers.focus_motor import FocusMotorBase
from opticstream.scope.run_folder import RunFolder
from opticstream.scope.scripts import ScriptRegistry
from opticstream.scope.settings import ScopeResources, fit_to_machine
from opticstream.scope.shared import Shared

logger = logging.getLogger("opticstream.scope")

_PROFILE_CAPACITY = 2560
_TRACK_COLUMNS = 7
BUFFER_LOCKS = [
    "BeadRoiBuffer",
    "LiveProfileBuffer",
    "TracksBuffer",
    "VideoBuffer",
    "VideoProcessingReservation",
    "ZLUTSweepDataset",
]


class SharedResources:
    """Makes buffers, events and locks before the processes start, and removes them when they have ended."""

    name: str
    processes: dict[str, Any]
    camera_manager: Any
    script_manager: Any
    command_registry: CommandRegistry
    lock_names: list[str]
    locks: dict[str, Any]
    pipes: dict[str, Connection]
    quitting_events: dict[str, Any]
    _signs_of_life: dict[str, Any]
    shared_values: Any
    video_buffer: Any
    tracks_buffer: Any
    bead_roi_buffer: Any
    live_profile_buffer: Any
    flow_run_id: str
    kernel_cache: Path | None
    _hardware: dict[str, Any]
    _hardware_buffers: dict[str, Any]
    _links: dict[str, ChildLink]
    _settings: Any
    _acquisition: Acquisition
    _quitting: Any
    _log_level: int
    _stack_ready: Any
    grace_s: float
    _uid: str
    _kernels: Path
    _folder: RunFolder | None = None
    _server: Any
    _closing: list[Any]
    _resources: ScopeResources

    if TYPE_CHECKING:  # of the scope's other parts

        def _make_board(self) -> None: ...

    def _fit_to_machine(self) -> None:
        """Look whether the machine has what the settings ask for, before anything is made.

        Raises:
            BadValue: (a ValueError) the buffers do not fit into the free memory.
        """
        from opticstream.scope.memory.free_memory import free_memory

        remove_all_leftovers()  # which may be what fills the memory
        camera, settings = self.camera_manager.camera, self._settings
        frame = camera.width * camera.height * np.dtype(camera.dtype).itemsize
        cores = usable_cpus(most=int(settings["video processors n"]))
        self._resources = fit_to_machine(settings, frame_bytes=frame, free_bytes=free_memory(), cores=cores)

    def _initialize_shared_state(self) -> None:
        """Prepare everything the processes share; if that fails nothing is left."""
        self._closing = []
        self._uid = secrets.token_hex(4)
        self._kernels = self.kernel_cache or load_settings().kernels
        self._folder = RunFolder(self._uid, None if self._server is None else self._server.path)
        try:
            self._make_shared_state()
        except BaseException:
            self._quitting = None  # no process was started that could be told to end
            raise

    def _make_shared_state(self) -> None:
        self._make_board()
        self._setup_shared_resources()
        self._register_script_methods()

    def _setup_shared_resources(self) -> None:
        """Create locks, pipes, buffers, events."""
        self._setup_locks()
        self.pipes = self._setup_pipes()
        self._create_shared_buffers()
        self._configure_processes_with_shared_resources()

    def _setup_locks(self) -> None:
        """Create a lock for the writer of each buffer; the system frees it when its holder dies."""
        from opticstream.scope.memory.writer_lock import WriterLock

        folder = self._run_folder().path
        names = [*self.lock_names, *(name for name in self._hardware if name not in self.lock_names)]
        self.locks = {name: WriterLock(folder / f"{name}.lock") for name in names}

    def _setup_pipes(self) -> dict[str, Connection]:
        """Return the pipes by process: none yet, since each comes with its process, also with one started anew."""
        return {name: link.pipe for name, link in self._links.items()}

    def _create_shared_buffers(self) -> None:
        """Create the buffers; the video buffer has the camera's size and the settings' depth."""
        from opticstream.scope.datatypes import BeadRoiBuffer, LiveProfileBuffer, MatrixBuffer, VideoBuffer
        from opticstream.scope.memory.doorbell import Doorbell
        from opticstream.scope.memory.interprocess_values import InterprocessValues
        from opticstream.scope.memory.scope_event import ScopeEvent

        camera, settings = self.camera_manager.camera, self._settings
        keep = self._closing.append
        keep(values := InterprocessValues(self._segment("values"), True))
        self.shared_values = values
        keep(video := VideoBuffer(
            self._segment("video"), True, n_stacks=int(settings["video buffer n stacks"]),
            n_images=int(settings["video buffer n images"]), width=camera.width, height=camera.height, bits=8 * np.dtype(camera.dtype).itemsize,
        ))  # fmt: skip
        self.video_buffer = video
        rows = int(settings["tracks max datapoints"])
        keep(tracks := MatrixBuffer(self._segment("tracks"), True, (rows, _TRACK_COLUMNS)))
        self.tracks_buffer = tracks
        keep(rois := BeadRoiBuffer(self._segment("rois"), True))
        self.bead_roi_buffer = rois
        keep(profile := LiveProfileBuffer(self._segment("profile"), True, capacity=_PROFILE_CAPACITY))
        self.live_profile_buffer = profile
        for name, hardware in self._hardware.items():
            keep(buffer := MatrixBuffer(self._segment(f"hw-{name}"), True, hardware.buffer_shape))
            self._hardware_buffers[name] = buffer
        keep(quitting := ScopeEvent(self._segment("quit"), True))
        self._quitting = quitting
        for name in self.processes:
            keep(event := ScopeEvent(self._segment(f"quit-{name}"), True))
            self.quitting_events[name] = event
        self._create_signs_of_life()
        keep(bell := Doorbell(self._segment("bell"), True))
        self._stack_ready = bell

    def _create_signs_of_life(self) -> None:
        """Create what tells a process that hangs from one that works."""
        from opticstream.scope.memory.sign_of_life import SignOfLife

        for name in self.processes:
            self._closing.append(sign := SignOfLife(self._segment(f"life-{name}"), True))
            self._signs_of_life[name] = sign

    def _configure_processes_with_shared_resources(self) -> None:
        """Give each process what it is to have before it starts; the rest comes with its start."""
        self.script_manager.script_registry = self._script_registry = ScriptRegistry(self.command_registry.handler_of)

    def _register_script_methods(self) -> None:
        """Let scripts give the commands that managers offer them."""
        for owner in (self, *self.processes.values()):
            self._script_registry.register_class_methods(type(owner))

    def _share(self) -> Shared:
        """Return what a process is given when it starts."""
        motors = [name for name, hardware in self._hardware.items() if isinstance(hardware, FocusMotorBase)]
        return Shared(
            scope=self.name,
            registry=self.command_registry,
            settings=self._settings,
            values=self.shared_values,
            video_buffer=self.video_buffer,
            tracks_buffer=self.tracks_buffer,
            bead_roi_buffer=self.bead_roi_buffer,
            live_profile_buffer=self.live_profile_buffer,
            hardware_buffers=self._hardware_buffers,
            locks=self.locks,
            quitting=self._quitting,
            quitting_events=self.quitting_events,
            signs_of_life=self._signs_of_life,
            stack_ready=self._stack_ready,
            acquisition=self._acquisition,
            focus_motor=motors[0] if motors else None,
            about=self._about(),
            log_level=self._log_level,
        )

    def _about(self) -> dict[str, Any]:
        camera = self.camera_manager.camera
        return {
            "nm_per_px": float(camera.nm_per_px),
            "kernel_cache": str(self._kernels),
            "uid": self._uid,
            "processors": self._resources.processors,
            "grace_s": self.grace_s,
            "run_folder": str(self._run_folder().path),
            "recording": {
                "scope_name": self.name,
                "flow_run_id": self.flow_run_id,
                "camera_class": type(camera).__name__,
                "width_px": camera.width,
                "height_px": camera.height,
                "bits": camera.bits,
                "nm_per_px": float(camera.nm_per_px),
                "hardware": {name: hardware.telemetry_columns() for name, hardware in self._hardware.items()},
            },
        }

    def _segment(self, buffer: str) -> str:
        from opticstream.scope.memory import segment_name

        name = segment_name(self._uid, buffer)
        self._run_folder().will_have(name)
        return name

    def _run_folder(self) -> RunFolder:
        if self._folder is None:
            raise RuntimeError("the scope has not begun to share anything")
        return self._folder

    def _remove_shared_resources(self) -> None:
        """Let go of everything, and leave no name behind."""
        for one in reversed(self._closing):
            one.close()
            if hasattr(one, "unlink"):
                one.unlink()
        self._closing.clear()
        for lock in self.locks.values():
            lock.unlink()
        self._run_folder().remove()
