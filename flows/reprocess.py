"""Scheduled reprocessing: what failed is offered again, what nobody came for gets its run."""

import threading
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from opticstream.core.identifiers import UnitId
from opticstream.flows.oct_watch import OCTWatchOptions, watch_oct
from opticstream.state.edit import retry
from opticstream.tasks.batch_work import open_oct_project
from opticstream.tasks.reconcile import reconcile_project
from opticstream.watch import LogObserver


@flow(name="reprocess", flow_run_name="reprocess {project}")
def reprocess(project: str, folder: Path | None = None, mosaic_ranges: str = "1:999999") -> dict[str, Any]:
    """Offer failed, expired and missing batches again, through the same gate and claim as the watcher.

    Args:
        project: project name.
        folder: acquisition folder to search for batches the state does not know; None: only what it knows.
        mosaic_ranges: source mosaics to search, as in the file names.
    """
    with open_oct_project(project) as (state, config):
        failed = retry(state)
        for edit in failed:
            get_run_logger().info("%s: %s", edit.ident, edit.refused or "offered again")
        missing = 0
        if folder is not None:
            options = OCTWatchOptions(ranges=mosaic_ranges, direct=False, once=True)
            found = watch_oct(
                state.database, config, folder, options, api=None, progress=_Quiet(), stop=threading.Event()
            )
            missing = found.announced
        created = reconcile_project(state).created
    return {"failed": sum(edit.refused is None for edit in failed), "missing": missing, "created": created}


class _Quiet(LogObserver):
    """Logs; nothing is processed here."""

    def began(self, ident: UnitId, tiles: int) -> None:
        """Never called: no flow runs here."""

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        """Never called: no flow runs here."""
