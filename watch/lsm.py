"""The LSM watcher: every strip that is there, stable and readable goes through the gate to the dispatch, once."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opticstream.core.errors import BadFile, BadInput, OpticstreamError
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.text import check_project_name
from opticstream.watch.admission import Verdict
from opticstream.watch.folder_events import FolderEvents
from opticstream.watch.hinted_stop import HintedStop
from opticstream.watch.lsm_source import LSMSource, StripKey
from opticstream.watch.protocols import Dispatch, Gate, WatchObserver
from opticstream.watch.readable import Fault
from opticstream.watch.ready_strip import ReadyStrip
from opticstream.watch.report import PassReport
from opticstream.watch.stop_signal import StopSignal
from opticstream.watch.strip_name import DEFAULT_STRIP_PATTERN, StripName
from opticstream.watch.strip_tree import TreeSight, look
from opticstream.watch.unit_watcher import UnitWatcher

StripCheck = Callable[[Path], None]
"""Looks into a strip's folder; raises BadFile when it is not a whole strip."""

_HIGHEST_SLICE = 999_999_999  # what identifiers hold
_BYTES_PER_GB = 1e9
_DONE = ("completed", "failed")
_log = logging.getLogger("opticstream.watch")


class LSMWatcherService(UnitWatcher[StripKey, TreeSight, ReadyStrip]):
    """Watches one acquisition folder for one project; `UnitWatcher` says how units are taken.

    Each immediate subfolder of a strip's name (`StripReader`) is a strip; it is ready when no file below it has
    changed for ``stability_seconds``. Two folders of one strip are a problem, and neither is taken until one goes,
    unless one of them was taken before.

    Args:
        project: the project's name.
        folder: the watched folder.
        config: how the project stores its strips; read once.
        gate: registers a ready strip in the state.
        dispatch: starts the work of a registered strip.
        known: returns the status of a strip's row, None without one; a strip that is completed or failed is then
            skipped without a look at its files, except with ``force_resend``.
        slice_offset: slices to add to the run in the folder names.
        pattern: folder name patterns separated by commas, any case.
        stability_seconds: how long a strip's files must stay unchanged.
        min_files: strips with fewer files are incomplete.
        force_resend: pass each strip's first offer in this run with ``force``.
        backfill: take what lay there at start oldest first, and only while nothing else is ready.
        dry_run: call neither gate nor dispatch; reports say what would be offered.
        polling_only: use no events of the operating system, as on a network share.
        check: looks into each strip once it is stable.
        observer: is told what happens; None: the log.
        clock: monotonic seconds.

    Raises:
        BadInput: the folder is none, or an option or the project's name is bad.
    """

    def __init__(
        self,
        project: str,
        folder: Path,
        config: LSMScanConfig,
        *,
        gate: Gate[ReadyStrip],
        dispatch: Dispatch[ReadyStrip],
        known: Callable[[StripId], str | None] | None = None,
        slice_offset: int = 0,
        pattern: str = DEFAULT_STRIP_PATTERN,
        stability_seconds: float = 15.0,
        min_files: int = 1,
        force_resend: bool = False,
        backfill: bool = False,
        dry_run: bool = False,
        polling_only: bool = False,
        check: StripCheck | None = None,
        observer: WatchObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._project = check_project_name(project)
        self._folder = folder
        self._slice_offset = slice_offset
        self._strips_per_slice = config.strips_per_slice
        self._known = None if force_resend else known
        self._check = check
        self._events = None if polling_only else FolderEvents(folder)
        self._listening = False
        self._stopping: Callable[[], bool] = lambda: False
        if not folder.is_dir():
            raise BadInput(
                str(folder),
                found="no folder",
                expected="the folder of the strips",
                action="Create it, or mount its volume.",
            )
        if abs(slice_offset) >= _HIGHEST_SLICE:
            raise BadInput("--slice-offset", found=str(slice_offset), expected="a smaller number")
        self._source = LSMSource(
            folder,
            refuse=self._refuse,
            is_done=self._is_done,
            pattern=pattern,
            min_files=min_files,
            min_bytes=config.strip_folder_size_threshold * _BYTES_PER_GB,
            hints=set if self._events is None else self._events.take,
            stopping=lambda: self._stopping(),
            clock=clock,
        )
        super().__init__(
            self._source,
            gate=gate,
            dispatch=dispatch,
            stability_seconds=stability_seconds,
            force_resend=force_resend,
            backfill=backfill,
            dry_run=dry_run,
            observer=observer,
            clock=clock,
        )

    @contextmanager
    def listening(self, stop: StopSignal) -> Iterator[StopSignal]:
        """Take the operating system's events while the body runs; for callers with a loop of their own.

        Yields:
            A stop signal for that loop: ``stop``, with waits that end early when there is a new folder.
        """
        if self._events is None:
            yield stop
            return
        self._events.start()
        self._listening = True
        try:
            yield HintedStop(stop, self._events.is_new)
        finally:
            self._listening = False
            self._events.stop()

    def run(self, stop: StopSignal, poll_interval_s: float, *, once: bool = False) -> PassReport | None:
        """Run passes until stopped, see `UnitWatcher.run`; a new folder ends the wait between two of them."""
        with self.listening(stop) as hinted:
            return super().run(hinted, poll_interval_s, once=once)

    def run_pass(self, now: float | None = None, stopping: Callable[[], bool] = lambda: False) -> PassReport:
        """Look at the folder once and take what is ready.

        Args:
            now: monotonic seconds; None: ask the clock.
            stopping: whether to leave strips that are not begun.
        """
        self._stopping = stopping
        if self._events is not None and self._listening:
            self._events.start()  # anew, if the folder was unmounted and is another one now
        return super().run_pass(now, stopping)

    def _ident(self, key: StripKey) -> StripId:
        run, channel, strip, _ = key
        return StripId(project=self._project, slice=run + self._slice_offset, channel=channel, strip=strip)

    def _newest(self, fingerprint: TreeSight) -> int:
        return fingerprint.newest

    def _refuse(self, name: StripName) -> str:
        """Return why a strip of this name is left out."""
        number = name.run + self._slice_offset
        if not 1 <= number <= _HIGHEST_SLICE:
            return f"with --slice-offset {self._slice_offset} it is slice {number}, but slices count from 1; left out"
        if name.strip > self._strips_per_slice:
            return (
                f"strip {name.strip}, but strips_per_slice is {self._strips_per_slice}; left out. Mend it by setting "
                "the project up again"
            )
        return ""

    def _is_done(self, key: StripKey) -> bool:
        """Return whether the state is done with a strip; the operator is told."""
        if self._known is None:
            return False
        ident = self._ident(key)
        try:
            status = self._known(ident)
        except Exception as error:  # the gate will be asked, and has its own way to try again
            _log.warning("%s: its state cannot be read now, so its files are looked at: %s", ident, error)
            return False
        if status not in _DONE:
            return False
        self.totals["skipped"] += 1
        self._observer.unit(str(ident), "skipped", str(status))
        return True

    def _faults(self, key: StripKey, fingerprint: TreeSight) -> list[Fault]:
        folder = self._folder / key[3]
        try:
            moved = look(folder, opening=True) != fingerprint
        except BadFile as error:
            return [_fault(error)]
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not folder.is_dir():
                return [Fault(folder, "gone", moved=True)]  # another watcher's flow was faster, and moved it aside
            return [Fault(Path(error.filename), f"cannot be read: {error.strerror}", retry=True)]
        if moved:
            self._source.stir(key)
            return [Fault(folder, "changed after it was looked at", moved=True)]
        self._source.rest(key)
        return [] if self._check is None else self._content(folder, self._check)

    def _content(self, folder: Path, check: StripCheck) -> list[Fault]:
        try:
            check(folder)
        except BadFile as error:
            return [_fault(error)]
        except Exception as error:  # one strip's trouble must not end the watch
            if not isinstance(error, (OSError, OpticstreamError)):
                _log.error("%s could not be checked", folder, exc_info=error)
            return [Fault(folder, f"cannot be checked: {error}", retry=True)]
        return []

    def _ready(self, key: StripKey, fingerprint: TreeSight, *, force: bool) -> ReadyStrip:
        return ReadyStrip(
            ident=self._ident(key),
            folder=self._folder / key[3],
            files=fingerprint.files,
            total_bytes=fingerprint.total_bytes,
            fingerprint=fingerprint.digest,
            force=force,
        )

    def _admitted(self, key: StripKey, verdict: Verdict) -> None:
        if verdict == "done":
            self._source.finish(key)
        elif self._admission.holds(self._ident(key)):
            self._source.hold(key)


def _fault(error: BadFile) -> Fault:
    return Fault(Path(error.where), str(error).removeprefix(f"{error.where}: "))
