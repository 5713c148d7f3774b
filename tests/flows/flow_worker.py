"""A process that runs the batch flow of project `brain` for whatever is free, as a worker beside the watchers does.

Usage: flow_worker.py STOP_FILE; environment as any opticstream process.
"""

import contextlib
import sys
import time
from pathlib import Path

from sqlalchemy import select

from opticstream.core.errors import ClaimLost, ClaimRefused
from opticstream.core.settings import load_settings
from opticstream.flows.process_tile_batch import process_tile_batch
from opticstream.state import open_database
from opticstream.state.tables import units


def main(stop: Path) -> None:
    """Take what is free until told to stop."""
    with open_database(load_settings()) as database:
        while not stop.exists():
            statement = select(units.c.n2, units.c.n3).where(
                units.c.level == "batch", units.c.status.in_(("ready", "running"))
            )
            with database.peek() as connection:
                rows = connection.execute(statement.order_by(units.c.updated_at)).all()
            for mosaic, batch in rows[:1]:
                with contextlib.suppress(ClaimRefused, ClaimLost):
                    process_tile_batch("brain", mosaic, batch)
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
