"""A scope without a screen, from the start to its summary."""

import json
import logging
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.core.files import write_text
from opticstream.core.scope_files import SUMMARY_NAME, TRUTH_NAME
from opticstream.scope.acquisition import Acquisition, AcquisitionMode
from opticstream.scope.beads import BeadBoard, read_bead_file
from opticstream.scope.cameras import DummyCameraBeads, make_camera
from opticstream.scope.managers.simulated_focus_motor import SimulatedFocusMotor
from opticstream.scope.orchestration.supervision import GRACE_S
from opticstream.scope.outcome import Outcome
from opticstream.scope.scope import MagScope
from opticstream.scope.tracking import TrackingOptions, ZLut
from opticstream.scope.tracking.compile_once import compile_once
from opticstream.scope.tracking.zlut_fit import check_zlut_fit

logger = logging.getLogger("opticstream.scope")

_LOOK_S = 0.1
_STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name)]
"""What asks a scope to end: of Windows' programs it is Ctrl+Break (not verified here)."""


@dataclass(frozen=True)
class HeadlessRun:
    """What to run."""

    name: str = "scope"
    camera: str = "beads"
    """See :func:`make_camera`."""
    camera_settings: Mapping[str, str] = field(default_factory=dict)
    beads: str = "auto"
    """``auto``, a number, or a file of places."""
    script: Path | None = None
    save: Path | None = None
    mode: AcquisitionMode = AcquisitionMode.TRACK
    seconds: float | None = None
    """None: until the script has ended, or somebody stops the scope."""
    zlut: Path | None = None
    """None: that of the simulated beads with the simulated camera, else the one used last."""
    no_zlut: bool = False
    """Look no heights up."""
    tracking: TrackingOptions | None = None
    """None: as the user has chosen, or else in the mode ``linear_bins``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Instead of the user's, this time."""
    simulated_focus: bool = False
    verbose: bool = False
    """Log what happens, not only what goes wrong."""
    grace_s: float = GRACE_S
    """How long its processes may take to close their files at the end."""
    runtime_folder: Path | None = None
    kernel_cache: Path = Path()
    flow_run_id: str = ""


def run_headless(run: HeadlessRun, told: Callable[[MagScope], None] = lambda scope: None) -> tuple[MagScope, Outcome]:
    """Run a scope until its time is over, its script has ended or somebody stops it.

    Args:
        run: what to run.
        told: is called each 0.1 s while it runs, in a thread of its own, to show how it is.

    Raises:
        BadInput: a camera, setting, folder or name cannot be used; nothing was started.
        BadFile: a file of beads or a Z-LUT cannot be used; likewise.
    """
    scope = _configured(run)
    watcher = threading.Thread(target=_watch, args=(scope, run, told), name="scope run", daemon=True)
    stopping = {one: _stops(scope) for one in _STOPPING} | {signal.SIGINT: _interrupts(scope)}
    before = {one: signal.signal(one, handler) for one, handler in stopping.items()} if _main_thread() else {}
    try:
        compile_once(run.kernel_cache)
        watcher.start()
        scope.start()
    except KeyboardInterrupt:
        logger.info("interrupted")
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        scope.over.set()
        if watcher.ident is not None:
            watcher.join(1.0)
    outcome = scope.outcome or Outcome(False, "it did not start")
    _summarize(scope, run)
    return scope, outcome


def _summarize(scope: MagScope, run: HeadlessRun) -> None:
    if run.save is not None:
        write_text(run.save / SUMMARY_NAME, json.dumps(scope.summary(), indent=2, default=str) + "\n")


def _configured(run: HeadlessRun) -> MagScope:
    from opticstream.scope.settings import ScopePreferences

    preferences = ScopePreferences.load()
    settings = preferences.settings.clone()
    settings.update(run.settings)
    scope = MagScope(name=run.name, settings=settings, verbose=run.verbose)
    scope.preferences, scope.grace_s = preferences, run.grace_s
    tracking = run.tracking or (
        preferences.tracking if preferences.tracking_chosen else TrackingOptions.of("linear_bins")
    )
    scope.runtime_folder, scope.kernel_cache, scope.flow_run_id = run.runtime_folder, run.kernel_cache, run.flow_run_id
    if run.save is not None:
        try:
            run.save.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=run.save):  # that it is there does not mean it can be written to
                pass
        except OSError as error:
            raise BadInput("--save", found=f"{run.save} ({error.strerror})", expected="a folder to write to") from None
    options: dict[str, Any] = {}
    if run.camera == "beads" and run.save is not None:
        options["truth_file"] = run.save / TRUTH_NAME
    camera = make_camera(run.camera, **options)
    for name, value in run.camera_settings.items():
        camera[name] = value
    scope.camera_manager.camera = camera
    scope.video_processor_manager.tracking_options = tracking
    scope.begins_with_last_zlut = not run.no_zlut
    scope.video_processor_manager.zlut_path = _zlut(run, camera, tracking, int(settings["ROI"]))
    scope.first_beads = _first_beads(run.beads, BeadBoard(camera.width, camera.height, int(settings["ROI"])))
    scope.script_manager.autostart = run.script
    if run.simulated_focus:
        scope.add_hardware(SimulatedFocusMotor())
    folder = None if run.save is None else str(run.save.absolute())
    scope.begin_with(Acquisition(True, folder, folder is not None, run.mode))
    if run.zlut is not None:
        try:
            preferences.remember_z_lut(run.zlut.absolute())
        except WriteFailed as error:
            logger.warning("the Z-LUT is not remembered for the next time: %s", error)
    return scope


def _first_beads(wanted: str, board: BeadBoard) -> str | int:
    """Return what the scope begins with, once it is known that it can be used on such a board."""
    if wanted == "auto":
        return wanted
    if wanted.isdecimal():
        return int(wanted)
    path = Path(wanted)
    if not path.is_file():
        raise BadFile(f"beads: {wanted}", found="no such file", expected="auto, a number, or a file of places")
    places = read_bead_file(path)
    if not len(places):
        raise BadFile(wanted, found="no bead in it", expected="x and y of each bead, px")
    try:
        board.add(places)
    except BadInput as error:
        raise BadFile(f"{wanted}: {error.where}", found=error.found, expected=error.expected) from None
    return wanted


def _zlut(run: HeadlessRun, camera: Any, tracking: TrackingOptions, roi: int) -> str | None:
    if run.zlut is not None:
        check_zlut_fit(ZLut.load(run.zlut), tracking, roi)  # the process that tracks would only say so, later
        return str(run.zlut.absolute())
    if run.no_zlut or not isinstance(camera, DummyCameraBeads):
        return None
    from opticstream.scope.simulated_zlut import simulated_zlut

    folder = run.save or run.kernel_cache
    path = folder / f"simulated Z-LUT {tracking.mode} {roi} px of {float(camera.nm_per_px):g} nm.txt"
    if run.save is not None or not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        simulated_zlut(tracking, roi, float(camera.nm_per_px)).save(path)
    return str(path.absolute())


def _watch(scope: MagScope, run: HeadlessRun, told: Callable[[MagScope], None]) -> None:
    if not _up(scope, run):
        return
    end = None if run.seconds is None else time.monotonic() + run.seconds
    while not scope.over.wait(_LOOK_S):
        told(scope)
        if end is not None and time.monotonic() >= end:
            failed = _script_status(scope) == "Error"
            why = f"its {run.seconds:g} s are over{', its script failed' if failed else ''}"
            scope.request_stop(why, failed=failed)
        _end_with_script(scope, run)
    with suppress(WriteFailed):  # pictures of a long recording take long; whoever is killed meanwhile has a summary
        _summarize(scope, run)


def _up(scope: MagScope, run: HeadlessRun) -> bool:
    """Wait until the scope is up; False: it has ended, or there is nothing to be up for."""
    while not scope.over.is_set():
        if scope.up.wait(_LOOK_S):
            return True
        _end_with_script(scope, run)
    return False


def _end_with_script(scope: MagScope, run: HeadlessRun) -> None:
    if run.script is None or run.seconds is not None:
        return
    match _script_status(scope):
        case "Finished":
            scope.request_stop("its script has ended")
        case "Error":
            scope.request_stop("its script failed", failed=True)


def _script_status(scope: MagScope) -> str:
    return str(scope.values.get("script", {}).get("status", ""))


def _main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _stops(scope: MagScope) -> Callable[[int, FrameType | None], None]:
    return lambda signum, frame: scope.request_stop("a signal asked for it")


def _interrupts(scope: MagScope) -> Callable[[int, FrameType | None], None]:
    """Return what Ctrl+C does: end the scope as any other wish; one that comes when that hangs ends it wherever it is.

    Whoever presses it again while the scope ends is not to leave memory and processes behind.
    """
    asked: float | None = None

    def interrupt(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked is not None and time.monotonic() - asked > scope.longest_end_s:
            raise KeyboardInterrupt
        asked = asked or time.monotonic()
        scope.request_stop("interrupted")

    return interrupt
