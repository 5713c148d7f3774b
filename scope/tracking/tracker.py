"""Crops of beads in, positions out."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput
from opticstream.imaging.kernel_cache import numba_usable, use_kernel_cache
from opticstream.imaging.thread_pool import thread_pool
from opticstream.scope.tracking.flags import TrackFlag
from opticstream.scope.tracking.options import TrackingOptions
from opticstream.scope.tracking.plan import Plan
from opticstream.scope.tracking.reference import track_crops
from opticstream.scope.tracking.tracks import Tracks
from opticstream.scope.tracking.zlut import ZLut
from opticstream.scope.tracking.zlut_fit import check_zlut_fit

Backend = Literal["auto", "numba", "numpy"]
Work = Callable[[int, int], None]

_SMALLEST = 8
"""Edge of the smallest crop that is tracked, px; 256 is the largest a scope offers, but none is too large here."""
_PIECE = 64
"""Crops that NumPy takes at once."""
_SMALLEST_PIECE = 16
"""Crops a thread is woken for: about half a millisecond."""


def warm_tracker(folder: Path) -> float:
    """Compile the kernel, or load it from the cache in ``folder``; return the seconds it took.

    Until then a tracker with backend ``numpy`` gives the same answers.
    """
    use_kernel_cache(folder)
    began = time.monotonic()
    if numba_usable():
        for kind in (np.uint8, np.uint16):
            Tracker(backend="numba").track(np.zeros((1, _SMALLEST, _SMALLEST), kind))
    return time.monotonic() - began


class Tracker:
    """Tracks beads: x and y by auto-convolution, z by the radial profile's place in a Z-LUT.

    ``docs/engineering/bead-tracking.md`` has the formulae. A tracker keeps no state between calls. With more than one
    thread it is a context manager::

        with Tracker(options, zlut, threads=2) as tracker:
            tracks = tracker.track(crops)

    Args:
        options: how to track.
        zlut: radial profiles at known heights; absent: z is NaN.
        threads: crops are shared between that many; used within ``with`` only.
        backend: ``numba``, ``numpy`` (slower, same results, nothing to compile), or ``auto``: numba where it can be.

    Raises:
        BadInput: the Z-LUT was made with another mode or another number of bins per pixel than ``options`` say.
    """

    def __init__(
        self,
        options: TrackingOptions | None = None,
        zlut: ZLut | None = None,
        *,
        threads: int = 1,
        backend: Backend = "auto",
    ) -> None:
        self.options = TrackingOptions.of() if options is None else options
        self.zlut = zlut
        self._threads = threads
        self._compiled = backend == "numba" or (backend == "auto" and numba_usable())
        self._exits = ExitStack()
        self._pool: ThreadPoolExecutor | None = None
        if threads < 1:
            raise BadInput("threads", found=str(threads), expected="1 or more")
        if zlut is not None:
            check_zlut_fit(zlut, self.options)

    def __enter__(self) -> Self:
        if self._threads > 1:
            self._pool = self._exits.enter_context(thread_pool(self._threads - 1, "opticstream-track"))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool = None
        self._exits.close()

    def track(self, crops: NDArray[Any]) -> Tracks:
        """Track crops (n, roi, roi), uint8 or uint16; positions are within each crop.

        Raises:
            BadInput: wrong shape or type, or the Z-LUT belongs to crops of another size.
        """
        if crops.ndim != 3 or crops.shape[1] != crops.shape[2]:
            raise BadInput("crops", found=f"shape {crops.shape}", expected="(n, roi, roi)")
        jobs = np.zeros((len(crops), 3), np.int64)
        jobs[:, 0] = np.arange(len(crops))
        return self._run("crops", crops, jobs, crops.shape[1])

    def track_frames(self, frames: NDArray[Any], corners: ArrayLike, roi: int) -> Tracks:
        """Track the same crops in each frame; results are by frame, then by crop, and positions within the frame.

        Args:
            frames: (frames, height, width) or one of (height, width), uint8 or uint16.
            corners: x0, y0 of each crop's first pixel, px, (n, 2); a crop beyond the frame is flagged.
            roi: edge of a crop, px.

        Raises:
            BadInput: wrong shape or type, or the Z-LUT belongs to crops of another size.
        """
        stack = frames[None] if frames.ndim == 2 else frames
        if stack.ndim != 3:
            raise BadInput("frames", found=f"shape {frames.shape}", expected="(frames, height, width)")
        at = np.asarray(corners)
        if at.ndim != 2 or at.shape[1] != 2 or not (np.issubdtype(at.dtype, np.integer) or not at.size):
            raise BadInput("corners", found=f"{at.dtype} of shape {at.shape}", expected="whole numbers, (n, 2): x0, y0")
        jobs = np.empty((len(stack), len(at), 3), np.int64)
        jobs[..., 0] = np.arange(len(stack))[:, None]
        jobs[..., 1:] = at[:, ::-1]
        tracks = self._run("frames", stack, jobs.reshape(-1, 3), roi)
        tracks.x[:] += np.tile(at[:, 0], len(stack))
        tracks.y[:] += np.tile(at[:, 1], len(stack))
        return tracks

    def _run(self, where: str, frames: NDArray[Any], jobs: NDArray[np.int64], roi: int) -> Tracks:
        kind = frames.dtype.newbyteorder("=")
        if kind not in (np.uint8, np.uint16):
            raise BadInput(where, found=f"type {frames.dtype}", expected="uint8 or uint16")
        if roi < _SMALLEST:
            raise BadInput(where, found=f"crops of {roi} px", expected=f"{_SMALLEST} px or more")
        plan = Plan.of(self.options, roi, int(np.iinfo(kind).max))
        if self.zlut is not None:
            check_zlut_fit(self.zlut, self.options, roi)
        # Foreign byte order and strides are the camera's; the kernel is compiled for neither.
        stack = np.ascontiguousarray(frames, kind)
        positions = np.empty((len(jobs), 3))
        flags = np.empty(len(jobs), np.uint16)
        profiles = np.empty((len(jobs), plan.bins))
        work = (_kernel_work if self._compiled else _numpy_work)(
            stack, jobs, plan, self.zlut, positions, flags, profiles
        )
        self._share(work, len(jobs))
        return Tracks(positions[:, 0], positions[:, 1], positions[:, 2], flags, profiles)

    def _share(self, work: Work, number: int) -> None:
        if self._pool is None or number <= _SMALLEST_PIECE:
            work(0, number)
            return
        pieces = iter(_pieces(number, self._threads))

        def turn() -> None:
            for begin, end in pieces:  # the interpreter's lock makes each piece one thread's
                work(begin, end)

        helpers = [self._pool.submit(turn) for _ in range(self._threads - 1)]
        try:
            turn()
        finally:
            wait(helpers)
        for helper in helpers:
            helper.result()


def _pieces(number: int, threads: int) -> list[tuple[int, int]]:
    """Cut work into pieces that shrink: few calls, and yet all threads end together."""
    pieces: list[tuple[int, int]] = []
    begin = 0
    while begin < number:
        end = min(begin + max(_SMALLEST_PIECE, (number - begin) // (2 * threads)), number)
        pieces.append((begin, end))
        begin = end
    return pieces


def _kernel_work(
    stack: NDArray[Any], jobs: NDArray[np.int64], plan: Plan, zlut: ZLut | None,
    positions: NDArray[np.float64], flags: NDArray[np.uint16], profiles: NDArray[np.float64],
) -> Work:  # fmt: skip
    from opticstream.scope.tracking import kernel

    track_rois: Callable[..., None] = kernel.track_rois  # numba's dispatchers have no signature

    planes = np.zeros((max(plan.bins - 1, 0), 0)) if zlut is None else zlut.unit_planes
    z_nm = np.zeros(0) if zlut is None else zlut.z_nm
    read: list[NDArray[Any]] = [array.view() for array in (stack, jobs, planes, z_nm)]
    for array in read:
        array.flags.writeable = False  # the kernel is compiled for read-only input
    images, wanted, unit_planes, heights = read

    def work(begin: int, end: int) -> None:
        track_rois(
            images, wanted, begin, end, plan.roi, plan.background, plan.iterations, plan.lines, plan.half,
            plan.oversample, plan.z_half, plan.min_contrast, plan.full_scale, plan.linear, unit_planes, heights,
            positions, flags, profiles,
        )  # fmt: skip

    return work


def _numpy_work(
    stack: NDArray[Any], jobs: NDArray[np.int64], plan: Plan, zlut: ZLut | None,
    positions: NDArray[np.float64], flags: NDArray[np.uint16], profiles: NDArray[np.float64],
) -> Work:  # fmt: skip
    height, width = stack.shape[1:]
    y0, x0 = jobs[:, 1], jobs[:, 2]
    inside = (y0 >= 0) & (x0 >= 0) & (y0 + plan.roi <= height) & (x0 + plan.roi <= width)
    along = np.arange(plan.roi)

    def work(begin: int, end: int) -> None:
        positions[begin:end], flags[begin:end], profiles[begin:end] = np.nan, TrackFlag.OUT_OF_FRAME, np.nan
        for first in range(begin, end, _PIECE):
            own = np.flatnonzero(inside[first : min(first + _PIECE, end)]) + first
            rows, columns = y0[own, None] + along, x0[own, None] + along
            crops = stack[jobs[own, 0, None, None], rows[:, :, None], columns[:, None, :]]
            positions[own], flags[own], profiles[own] = track_crops(crops, plan, zlut)

    return work
