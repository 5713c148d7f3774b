"""The acquisition watchers: discover, stable, readable, identify, gate, dispatch. No Prefect."""

from opticstream.watch.delta import Delta
from opticstream.watch.directory_watch import NewFolderHandler, polling_scanner
from opticstream.watch.engine import FileMark, Fingerprint, Observation, StabilityEngine
from opticstream.watch.interrupt import run_watcher_until_interrupt
from opticstream.watch.log_observer import LogObserver
from opticstream.watch.lsm import LSMWatcherService, StripCheck
from opticstream.watch.mosaic_ranges import ALL_MOSAICS, MosaicRanges
from opticstream.watch.oct import OCTWatcherService
from opticstream.watch.polling import PollingStableWatcher, Tick
from opticstream.watch.process_priority import PriorityKeeper, check_priority
from opticstream.watch.protocols import Dispatch, Gate, GateAnswer, NotNow, Outcome, WatchObserver
from opticstream.watch.readable import HeaderCheck
from opticstream.watch.ready_batch import ReadyBatch
from opticstream.watch.ready_strip import ReadyStrip
from opticstream.watch.ready_unit import ReadyUnit
from opticstream.watch.refresh import refresh_hook, refresh_hook_names, register_refresh_hook
from opticstream.watch.report import IncompleteStrip, IncompleteUnit, PassReport, Problem, is_settled
from opticstream.watch.snapshot_source import SnapshotSource
from opticstream.watch.stop_signal import HandlerStop, StopSignal
from opticstream.watch.strip_name import DEFAULT_STRIP_PATTERN, StripName
from opticstream.watch.tile_name import DEFAULT_PATTERN
from opticstream.watch.wait_stable import wait_until_stable

__all__ = [
    "ALL_MOSAICS",
    "DEFAULT_PATTERN",
    "DEFAULT_STRIP_PATTERN",
    "Delta",
    "Dispatch",
    "FileMark",
    "Fingerprint",
    "Gate",
    "GateAnswer",
    "HandlerStop",
    "HeaderCheck",
    "IncompleteStrip",
    "IncompleteUnit",
    "LSMWatcherService",
    "LogObserver",
    "MosaicRanges",
    "NewFolderHandler",
    "NotNow",
    "OCTWatcherService",
    "Observation",
    "Outcome",
    "PassReport",
    "PollingStableWatcher",
    "PriorityKeeper",
    "Problem",
    "ReadyBatch",
    "ReadyStrip",
    "ReadyUnit",
    "SnapshotSource",
    "StabilityEngine",
    "StopSignal",
    "StripCheck",
    "StripName",
    "Tick",
    "WatchObserver",
    "check_priority",
    "is_settled",
    "polling_scanner",
    "refresh_hook",
    "refresh_hook_names",
    "register_refresh_hook",
    "run_watcher_until_interrupt",
    "wait_until_stable",
]
