"""A process that tracks beads in stacks of frames."""

import logging
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from opticstream.scope.interrupts import stay_deaf
from opticstream.scope.processing.stack_task import StackResult, StackTask
from opticstream.scope.quick_exit import quick_exit
from opticstream.scope.track_batch import TrackBatch
from opticstream.scope.tracking import Tracker, TrackingOptions, ZLut, warm_tracker

logger = logging.getLogger("opticstream.scope")

_LONGEST_LOAD_S = 10.0
"""How long a worker waits for the kernel before it begins with NumPy, which may be too slow for a fast camera."""


@dataclass(frozen=True, eq=False)
class WorkerSetup:
    """How a worker tracks from now on."""

    options: TrackingOptions
    zlut: ZLut | None
    roi: int
    """Edge of a crop, px."""
    kernel_cache: Path


@dataclass(frozen=True)
class WorkerReady:
    """What a worker says first: its kernel is there, or is being compiled beside its work."""


def worker_main(pipe: Connection, video_buffer: Any, setup: WorkerSetup) -> NoReturn:
    """Track each stack that is asked for, until nobody asks any more."""
    stay_deaf()
    _load_lean()
    worker = _Worker(video_buffer, setup)
    try:
        pipe.send(WorkerReady())
        while True:
            wait([pipe], 1.0 if worker.warm else 0.1)
            if not pipe.poll(0):
                worker.look()
                continue
            match pipe.recv():
                case WorkerSetup() as changed:
                    worker.take(changed)
                case StackTask() as task:
                    pipe.send(worker.track(task))
                case _:
                    quick_exit(0)
    except (EOFError, OSError):
        quick_exit(0)  # the video processor is gone


def _load_lean() -> None:
    """Let numba find no SciPy and no cffi: its search for them takes a third of the time to load the kernel.

    Of SciPy it wants linear algebra only, which the kernel has none of. Nobody else's code runs in this process.
    """
    for name in ("scipy", "cffi"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


class _Worker:
    """Tracks with NumPy until the kernel is compiled, which takes 20 s on a machine that has never done it."""

    def __init__(self, video_buffer: Any, setup: WorkerSetup) -> None:
        self._video, self._setup = video_buffer, setup
        self._warming = threading.Thread(target=self._warm, args=(setup.kernel_cache,), name="kernel", daemon=True)
        self._compiled = threading.Event()
        self.warm = False
        self._warming.start()
        self._warming.join(_LONGEST_LOAD_S)  # from the cache it is there within a second of CPU time
        self.take(setup)

    def _warm(self, folder: Path) -> None:
        try:
            warm_tracker(folder)
        except Exception:
            logger.exception("the tracking kernel cannot be compiled; beads are tracked with NumPy, which is slower")
            return
        self._compiled.set()

    def take(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self.warm = self._compiled.is_set()
        self._tracker = Tracker(setup.options, setup.zlut, backend="auto" if self.warm else "numpy")

    def look(self) -> None:
        if not self.warm and self._compiled.is_set():
            self.take(self._setup)

    def track(self, task: StackTask) -> StackResult:
        self.look()
        began = time.perf_counter()
        try:
            stack = self._video.stack(task.stack)
            frames = stack.frames
            tracks = self._tracker.track_frames(frames, task.rois[:, [0, 2]].astype(np.int64), self._setup.roi)
            shape = (len(frames), len(task.bead_ids))
            positions = tracks.positions_nm(task.nm_per_px).reshape(*shape, 3)
            profiles = tracks.profiles.reshape(*shape, tracks.profiles.shape[-1])
            wanted = task.bead_ids.tolist() if task.profile_beads is None else task.profile_beads
            places = {int(bead): place for place, bead in enumerate(task.bead_ids)}
            batch = TrackBatch(
                sequence=task.sequence,
                frame_numbers=np.array(stack.numbers),
                timestamps_ns=np.round(stack.timestamps * 1e9).astype(np.int64),
                bead_ids=task.bead_ids,
                rois=task.rois,
                positions_nm=positions,
                flags=tracks.flags.reshape(shape),
            )
            own = {bead: profiles[:, places[bead]].copy() for bead in wanted if bead in places}
            return StackResult(task, batch, own, time.perf_counter() - began)
        except Exception as error:  # a stack that cannot be tracked costs itself only
            return StackResult(
                task, None, seconds=time.perf_counter() - began, error=f"{type(error).__name__}: {error}"
            )
