"""Scheduled reprocessing: what failed is offered again, what nobody came for gets its run."""

import threading
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from opticstream.core.identifiers import UnitId
from opticstream.flows.lsm_watch import LSMWatchOptions, watch_lsm
from opticstream.flows.oct_watch import OCTWatchOptions, watch_oct
from opticstream.state import Database
from opticstream.state.edit import retry
from opticstream.tasks.pipelines import pipeline_named
from opticstream.tasks.reconcile import reconcile_project
from opticstream.watch import LogObserver


@flow(name="reprocess", flow_run_name="reprocess {project}")
def reprocess(
    project: str, folder: Path | None = None, mosaic_ranges: str = "1:999999", pipeline: str = "oct"
) -> dict[str, Any]:
    """Offer failed, expired and missing units again, through the same gate and claim as the watcher.

    Args:
        project: project name.
        folder: acquisition folder to search for units the state does not know; None: only what it knows.
        mosaic_ranges: source mosaics to search, as in the file names; a light sheet has none.
        pipeline: ``oct`` or ``lsm``.
    """
    kind = pipeline_named(pipeline)
    with kind.open_project(project) as (state, config):
        failed = retry(state)
        for edit in failed:
            get_run_logger().info("%s: %s", edit.ident, edit.refused or "offered again")
        missing = _search(pipeline, state.database, config, folder, mosaic_ranges) if folder is not None else 0
        created = sum(reconcile_project(state, job).created for job in kind.jobs(config))
    return {"failed": sum(edit.refused is None for edit in failed), "missing": missing, "created": created}


def _search(pipeline: str, database: Database, config: Any, folder: Path, mosaic_ranges: str) -> int:
    """Register the units of a folder that the state does not know; return how many were announced."""
    joined: dict[str, Any] = {"api": None, "progress": _Quiet(), "stop": threading.Event()}
    if pipeline == "oct":
        batches = OCTWatchOptions(ranges=mosaic_ranges, direct=False, once=True)
        return watch_oct(database, config, folder, batches, **joined).announced
    strips = LSMWatchOptions(direct=False, once=True, polling_only=True)
    return watch_lsm(database, config, folder, strips, **joined).announced


class _Quiet(LogObserver):
    """Logs; nothing is processed here."""

    def began(self, ident: UnitId, files: int) -> None:
        """Never called: no flow runs here."""

    def progress(self, step: str, done: int, total: int) -> None:
        """Never called: no flow runs here."""

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        """Never called: no flow runs here."""
