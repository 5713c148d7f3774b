"""Frames in, tracks out: the process that has stacks tracked, in order, and hands them on."""

import logging
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal

import numpy as np

from opticstream.core.errors import OpticstreamError
from opticstream.scope.commands.locks import ForgetTracksCommand
from opticstream.scope.commands.scripts import UpdateWaitingCommand
from opticstream.scope.commands.video import (
    AddNoteCommand,
    LoadZLUTCommand,
    ReportProfileLengthCommand,
    RequestProfileLengthCommand,
    SetLiveProfileCommand,
    SetSweepCaptureCommand,
    SetTrackingOptionsCommand,
    StartNewTrackingDataFileCommand,
    UnloadZLUTCommand,
)
from opticstream.scope.ipc import register_ipc_command
from opticstream.scope.ipc_commands import WaitUntilAcquisitionOnCommand
from opticstream.scope.managers.camera_settings import CameraSettingsKeeper
from opticstream.scope.processing.recorder import Recorder
from opticstream.scope.processing.stack_task import StackResult, StackTask
from opticstream.scope.processing.strays import births, end_strays
from opticstream.scope.processing.worker import WorkerSetup
from opticstream.scope.processing.worker_pool import WorkerPool
from opticstream.scope.processing.writer_main import writer_main
from opticstream.scope.processing.zlut_in_use import ZLutInUse
from opticstream.scope.restart_policy import RestartPolicy
from opticstream.scope.scripts import register_script_command
from opticstream.scope.tracking import TrackFlag, TrackingOptions, ZLut

logger = logging.getLogger("opticstream.scope")

_NO_PROFILE = ~(TrackFlag.OUTSIDE_ZLUT | TrackFlag.NO_Z)
"""Flags of beads whose profile is none; those that found no height have a good one."""


class VideoProcessorManager(CameraSettingsKeeper):
    """Has each stack of frames tracked by a worker, and hands the results on in the order of the frames.

    It alone releases stacks, writes the tracks buffer and decides what became of a frame.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tracking_options = TrackingOptions.of()
        self.zlut_path: str | None = None
        self.video_kind: Literal["zarr", "tiff"] = "zarr"
        """What video is recorded as."""
        self.save_profiles = False
        """Record the radial profile of every bead in every frame, as text; set it before the start."""
        self.file_writer = writer_main
        """What the process runs that writes files."""
        self.disk_patience_s: float | None = None  # for the rest, at the end; None: half of what the end may take
        self._pool: WorkerPool
        self._recorder: Recorder
        self._zlut = ZLutInUse()
        self._next_stack = 0
        """First stack of the video buffer that has not been given out."""
        self.next_sequence = 0
        self._next_result = 0
        self._results: dict[int, StackResult] = {}
        self._done_stacks: deque[int] = deque()
        """Stacks that have been handed on and not been released, oldest first."""
        self._profile_bead: int | None = None
        self._profile_length_asked = False
        self._sweep: SetSweepCaptureCommand | None = None
        self._dataset: Any = None
        self._waits_for: bool | None = None
        self._worker_deaths = RestartPolicy(limit=12)
        self._deaths_seen = 0
        self._helpers: tuple[int, ...] = ()

    # The process.

    def setup(self) -> None:
        """Start the workers; take up where an earlier life of this process ended."""
        self._apply_kept()
        end_strays(self.kept.get("workers", {}), 0.0)
        self._next_stack = int(self.video_buffer.stacks_released)
        self._pool = WorkerPool(self.shared.about["processors"], self.video_buffer, self._worker_setup())
        self._recorder = Recorder(self)
        self._recorder.look()  # a recording that is wanted from the start begins before the first frame
        self._keep_helpers()

    def waitables(self) -> list[Any]:
        """Wake for a stack of the camera, a result, an acknowledgement of the file writer."""
        return [self.shared.stack_ready.reader, *self._pool.waitables(), *self._recorder.waitables()]

    def do_main_loop(self) -> None:
        """Take results, hand them on in order, give out what has come."""
        self.shared.stack_ready.answer()
        for result in self._pool.results():
            self._results[result.task.sequence] = result
        self._see_deaths()
        self._recorder.look()
        self._hand_on()
        self._keep_helpers()
        self._answer_waiting()
        if self._acquisition_on:
            self._give_out()
        elif not self._pool.busy and not self._done_stacks:
            self._let_pass()
        self.shared_values.video_process_busy_count.value = self._pool.busy
        if self._pool.ready:  # and stays so: a worker that dies later is replaced while the others go on
            self.shared_values.tracking_ready.value = 1

    def cleanup(self) -> None:
        """Finish what is being tracked, close the files."""
        pool, recorder = getattr(self, "_pool", None), getattr(self, "_recorder", None)
        grace_s = float(self.shared.about["grace_s"])
        if pool is not None:
            end = time.monotonic() + grace_s / 4
            while pool.busy and time.monotonic() < end:
                for result in pool.results():
                    self._results[result.task.sequence] = result
                self._hand_on()
                time.sleep(0.005)
        if recorder is not None:
            recorder.close(self._why_it_ends(), self.disk_patience_s or grace_s / 2)
        if pool is not None:
            pool.close(0.2)

    def _why_it_ends(self) -> str:
        if sys.exception() is not None:
            return "the process that tracks failed"
        return "the scope ended" if self._quit_requested else "the scope's own process is gone"

    def _see_deaths(self) -> None:
        """Tell of workers that died; raise when that does not end."""
        while self._deaths_seen < self._pool.died:
            self._deaths_seen += 1
            if not self._worker_deaths.again(time.monotonic()):
                raise RuntimeError(f"{self._pool.died} tracking processes have died")
            self.warn("a tracking process died", "another one has its frames")

    def _keep_helpers(self) -> None:
        """Let the scope know this process's own, so that none of them hangs for ever when this one is killed."""
        pids = *self._pool.pids, self._recorder.pid
        if pids != self._helpers:
            self._helpers = pids
            workers = births(self._pool.pids)
            self.keep(workers=workers, helpers=workers | births([self._recorder.pid]))

    # Stacks.

    def _give_out(self) -> None:
        ids, rois = self.get_cached_bead_rois()
        tracked = slice(None if self._acquisition_mode.tracks else 0)
        while self._pool.idle and self._unread() > 0 and self._camera_is_known():
            task = StackTask(
                sequence=self.next_sequence,
                stack=self._next_stack,
                bead_ids=ids[tracked],
                rois=rois[tracked],
                regions=rois,
                nm_per_px=self.shared.about["nm_per_px"] / float(self.settings["magnification"]),
                profile_beads=self._profile_beads(),
            )
            self._pool.submit(task)
            self.next_sequence += 1
            self._next_stack += 1

    def oldest_frame_ns(self) -> int | None:
        """Return when the oldest frame was taken that is not released, ns since 1970 UTC; None: no stack is full."""
        if not self.video_buffer.check_read_stack():
            return None
        return int(np.round(self.video_buffer.peak_stack().timestamps[:1] * 1e9).astype(np.int64)[0])

    def _unread(self) -> int:
        return int(self.video_buffer.stacks_written) - self._next_stack

    def _let_pass(self) -> None:
        """Discard what came while the acquisition is off."""
        while self._unread() > 0:
            numbers = self.video_buffer.stack(self._next_stack).numbers
            self._recorder.skipped(np.array(numbers))
            self.count("frames_skipped", len(numbers))
            self._release()

    def _release(self) -> None:
        self.video_buffer.release()
        self._next_stack = max(self._next_stack, int(self.video_buffer.stacks_released))

    def _hand_on(self) -> None:
        """Hand results on in the order of the frames; a stack is released when nobody needs it any more."""
        while (result := self._results.pop(self._next_result, None)) is not None:
            self._next_result += 1
            self._done_stacks.append(result.task.stack)
            numbers = self.video_buffer.stack(result.task.stack).numbers
            if result.batch is None:
                self._recorder.failed(np.array(numbers), result.error)
                self.warn(f"a stack of {len(numbers)} frames was not tracked", result.error)
            else:
                self._keep_tracks(result)
                self.count("frames_tracked", len(numbers))
                self._recorder.take(result)
        self._release_stacks()

    def _release_stacks(self) -> None:
        """Release the oldest stacks that nobody needs: not a worker, not the process that writes video."""
        needed = {result.task.stack for result in self._results.values()} | self._recorder.waiting_stacks
        while self._done_stacks and self._done_stacks[0] not in needed:
            self._done_stacks.popleft()
            self.video_buffer.release()

    def _keep_tracks(self, result: StackResult) -> None:
        batch = result.batch
        if batch is None:
            return
        frames, beads = batch.flags.shape
        if beads:
            rows = np.empty((frames, beads, 7))
            rows[..., 0] = (batch.timestamps_ns / 1e9)[:, None]
            rows[..., 1:4] = batch.positions_nm
            rows[..., 4] = batch.bead_ids
            rows[..., 5:] = batch.rois[:, [0, 2]]
            self.tracks_buffer.write(rows.reshape(-1, 7))
        self._use_profiles(result)

    def count(self, name: str, number: int) -> None:
        """Add to one of the numbers of frames that everybody sees."""
        counter = getattr(self.shared_values, name)
        counter.value = counter.value + number

    # Profiles.

    def _profile_beads(self) -> tuple[int, ...] | None:
        """Return whose profiles are wanted; None: everybody's."""
        if self._sweep or self._profile_length_asked or (self.save_profiles and self.shared.acquisition.saving):
            return None
        return () if self._profile_bead is None else (self._profile_bead,)

    def _use_profiles(self, result: StackResult) -> None:
        batch, profiles = result.batch, result.profiles
        if batch is None:
            return
        newest = profiles.get(self._profile_bead) if self._profile_bead is not None else None
        if newest is not None and len(newest):
            self.live_profile_buffer.write_profile(batch.timestamps_ns[-1] / 1e9, self._profile_bead, newest[-1])
        if self._profile_length_asked and profiles:
            self._profile_length_asked = False
            self._report_profile_length(next(iter(profiles.values())).shape[1])
        if self._sweep is not None and profiles:
            self._capture(self._sweep, result)

    def _report_profile_length(self, length: int) -> None:
        options = self.tracking_options
        binning = "linear" if options.mode == "linear_bins" else "rounded"
        self.send_ipc(ReportProfileLengthCommand(length, binning, options.radial_profile.oversample))

    def _capture(self, sweep: SetSweepCaptureCommand, result: StackResult) -> None:
        """Write profiles of a Z-LUT sweep; only of frames that were taken after the motor had arrived."""
        batch = result.batch
        if batch is None or self._dataset is None:
            return
        times = batch.timestamps_ns / 1e9
        for place, bead in enumerate(batch.bead_ids):
            good = (batch.flags[:, place] & _NO_PROFILE == 0) & (times > sweep.not_before)
            if good.any():
                try:
                    self._dataset.append(
                        int(bead), sweep.step, times[good], float("nan"), 1, result.profiles[int(bead)][good]
                    )
                except (OpticstreamError, ValueError) as error:
                    logger.info("the Z-LUT sweep takes no more profiles: %s", error)
                    self._sweep = None
                    return

    # How to track.

    def recording_info(self) -> Any:
        """Return what files say of this recording."""
        from opticstream.scope.files import RecordingInfo

        return RecordingInfo(
            **self.shared.about["recording"],
            camera_settings=self.camera_settings,
            magnification=float(self.settings["magnification"]),
            settings=self.settings.to_dict(),
            tracking_options=self.tracking_options.model_dump(),
            zlut=(zlut := self._usable_zlut()),
            zlut_path=(zlut and self._zlut.path) or "",
            include_roi_positions=bool(self.settings["save tracking ROI positions"]),
        )

    def _usable_zlut(self) -> ZLut | None:
        return self._zlut.fitting(self.tracking_options, int(self.settings["ROI"]), self.error)

    def _worker_setup(self) -> WorkerSetup:
        kernels = Path(self.shared.about["kernel_cache"])
        return WorkerSetup(self.tracking_options, self._usable_zlut(), int(self.settings["ROI"]), kernels)

    def _apply_kept(self) -> None:
        self.tracking_options = self.kept.get("tracking_options", self.tracking_options)
        if path := self.kept.get("zlut_path", self.zlut_path):
            self.load_zlut(path)

    def _changed(self, what: str) -> None:
        if hasattr(self, "_recorder"):
            self._pool.change(self._worker_setup())
            self._recorder.start_anew(f"{what} changed")  # a file says how all of its frames were tracked

    @register_ipc_command(LoadZLUTCommand)
    def load_zlut(self, filepath: str) -> None:
        """Look heights up in the Z-LUT of a file; one that cannot be used leaves none, and says why."""
        try:
            self._zlut.load(filepath)
        except (OpticstreamError, OSError) as error:
            self.error("the Z-LUT cannot be used", str(error))
        self._say_zlut()

    @register_ipc_command(UnloadZLUTCommand)
    def unload_zlut(self) -> None:
        """Find no heights any more."""
        self._zlut.unload()
        self._say_zlut()

    def _say_zlut(self) -> None:
        self.zlut_path = self._zlut.path
        self.keep(zlut_path=self.zlut_path)
        self.show("zlut", self._zlut.shown())
        self._changed("Z-LUT")
        self.send_ipc(ForgetTracksCommand())

    @register_ipc_command(SetTrackingOptionsCommand)
    def set_tracking_options(self, options: dict[str, Any]) -> None:
        """Track in another way."""
        try:
            self.tracking_options = TrackingOptions.from_mapping(options)
        except ValueError as error:
            self.error("the tracking options cannot be used", str(error))
            return
        self.keep(tracking_options=self.tracking_options)
        self._changed("tracking options")
        self.send_ipc(ForgetTracksCommand())

    def set_settings(self, settings: Any) -> None:
        """Use other settings; another region size is another crop size."""
        super().set_settings(settings)
        self._changed("settings")

    # What others ask for.

    @register_ipc_command(SetLiveProfileCommand)
    def set_live_profile(self, enabled: bool, bead: int = 0) -> None:
        """Show the radial profile of a bead, or of none."""
        self._profile_bead = bead if enabled else None
        self.shared_values.live_profile_enabled.value = int(enabled)
        self.shared_values.live_profile_bead.value = bead

    @register_ipc_command(RequestProfileLengthCommand)
    def request_profile_length(self) -> None:
        """Tell how long profiles are, when the next stack has been tracked."""
        self._profile_length_asked = True

    @register_ipc_command(SetSweepCaptureCommand)
    def set_sweep_capture(self, dataset: str | None, step: int = 0, not_before: float = 0.0) -> None:
        """Write profiles into a Z-LUT sweep's dataset, or stop doing so."""
        from opticstream.scope.datatypes import ZLUTSweepDataset

        if self._dataset is not None:
            self._dataset.close()
        self._sweep = self._dataset = None
        if dataset is not None:
            self._dataset = ZLUTSweepDataset(dataset, False)
            self._sweep = SetSweepCaptureCommand(dataset, step, not_before)

    @register_ipc_command(StartNewTrackingDataFileCommand)
    def start_new_file(self) -> None:
        """Go on in a new file."""
        self._recorder.start_anew("a new file was asked for")

    @register_ipc_command(AddNoteCommand)
    @register_script_command(AddNoteCommand)
    def add_note(self, text: str) -> None:
        """Write an operator's note into the file."""
        self._recorder.note(text)

    @register_ipc_command(WaitUntilAcquisitionOnCommand)
    @register_script_command(WaitUntilAcquisitionOnCommand, answers=True)
    def wait_until_acquisition_on(self, value: bool) -> None:
        """Tell the script when the acquisition is on, or off."""
        self._waits_for = value

    def _answer_waiting(self) -> None:
        if self._waits_for is not None and self._acquisition_on is self._waits_for:
            self._waits_for = None
            self.send_ipc(UpdateWaitingCommand())
