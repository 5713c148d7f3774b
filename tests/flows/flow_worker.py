"""A process that runs one flow for whatever of a project waits for it, as a worker beside the watchers does.

Usage: flow_worker.py STOP_FILE PROJECT FLOW; environment as any opticstream process.
"""

import contextlib
import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from opticstream.core.errors import ClaimLost, ClaimRefused
from opticstream.core.identifiers import UnitId
from opticstream.core.settings import load_settings
from opticstream.state import LSM_TREE, OCT_TREE, ProjectState, open_database
from opticstream.state.rows import to_ident
from opticstream.state.stalled import holder_is_gone, open_work

FLOWS = {
    "process_tile_batch": (OCT_TREE, "batch", ("process",)),
    "process_strip": (LSM_TREE, "strip", ("compress", "cleanup")),
    "archive_strip": (LSM_TREE, "strip", ("archive", "cleanup")),
}
"""Flow, which has the name of its module → tree, level and stages of its units."""


def free_units(state: ProjectState, level: str, stages: tuple[str, ...]) -> Iterator[UnitId]:
    """Yield the units whose stage nobody holds, oldest first."""
    for stage in stages:
        for row in open_work(state, level, stage, ("direct", "event", "run")):
            if row.host is None or holder_is_gone(row, state.database):
                yield to_ident(state.row, row)


def main(stop: Path, project: str, name: str) -> None:
    """Take what is free until told to stop."""
    flow = getattr(importlib.import_module(f"opticstream.flows.{name}"), name)
    tree, level, stages = FLOWS[name]
    with open_database(load_settings()) as database:
        state = ProjectState(database, tree, project)
        while not stop.exists():
            ident = next(free_units(state, level, stages), None)
            if ident is not None:
                numbers = ident.numbers if tree is LSM_TREE else ident.numbers[1:]  # a mosaic's number says its slice
                with contextlib.suppress(ClaimRefused, ClaimLost):
                    flow(project, *numbers)
            time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
