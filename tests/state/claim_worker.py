"""A worker with an empty body: claims ready batches of project `kill` and publishes a file holding its token.

Usage: claim_worker.py OUT_FOLDER; environment as any opticstream process. Ends when OUT_FOLDER/stop exists.
"""

import random
import sys
import time
from pathlib import Path

from sqlalchemy import select

from opticstream.core.errors import ClaimLost, ClaimRefused
from opticstream.core.identifiers import BatchId
from opticstream.core.settings import load_settings
from opticstream.core.staging import StagedFiles, sweep_older
from opticstream.state import OCT_TREE, ProjectState, open_database
from opticstream.state.tables import units


def work(state: ProjectState, ident: BatchId, out: Path) -> None:
    """Claim, write under the token's name, publish in the commit."""
    claim = state.claim(ident, "process", owner="worker")
    final = out / f"{ident.mosaic}-{ident.batch}.txt"
    staged = StagedFiles(claim.token)
    try:
        with state.lease(claim):
            sweep_older(out, [final.name], claim.token)
            staged.path(final).write_text(str(claim.token))
            time.sleep(random.uniform(0, 0.4))
            # No lease.check() here: only the token stands between a late worker and its successor's products.
            with state.commit(claim) as unit:
                staged.publish()
                unit.set_milestone("enface_processed")
    finally:
        staged.discard()


def main(out: Path) -> None:
    """Take what is offered until told to stop."""
    with open_database(load_settings()) as database:
        state = ProjectState(database, OCT_TREE, "kill")
        while not (out / "stop").exists():
            with database.peek() as connection:
                rows = connection.execute(
                    select(units.c.n1, units.c.n2, units.c.n3)
                    .where(units.c.level == "batch", units.c.status.in_(("ready", "running")))
                    .order_by(units.c.status.desc())  # running first: take over what a lost worker left
                ).all()
            for n1, n2, n3 in rows:
                try:
                    work(state, BatchId(project="kill", slice=n1, mosaic=n2, batch=n3), out)
                    break
                except (ClaimRefused, ClaimLost):
                    continue
            time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
