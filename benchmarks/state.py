"""What the project state costs at 100, 10,000 and 1,000,000 batches on SQLite, and under eight processes.

Run as ``python benchmarks/state.py [--small]``. Each operation is measured right beside the plain way: one statement
(or one BEGIN IMMEDIATE … COMMIT) of the ``sqlite3`` module on the same file with the same journal and synchronous
settings. Ends with exit code 1 when a batch is lost or committed twice.
"""

import math
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _emit import emit as result
from sqlalchemy import select

from opticstream.core.errors import ClaimRefused
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import slice_of_mosaic
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.state import OCT_TREE, Database, ProjectState, open_database, setup_project
from opticstream.state.tables import claims, units

emit = partial(result, "state")

_BATCHES_PER_MOSAIC = 50
_PROCESSES = 8
_UNIT = "insert into unit (id, project_id, level, n1, n2, n3, parent_id, status, milestones, dispatch_no, created_at, updated_at) values (?,?,?,?,?,?,?,?,?,?,?,?)"


def main(sizes: list[int], rounds: int, contended: int) -> None:
    for batches in sizes:
        with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
            settings = load_settings(home=Path(name), state_url=None)
            with open_database(settings) as database:
                fill(database, Path(name), batches)
                measure(database, batches, rounds)
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        contend(load_settings(home=Path(name), state_url=None), contended)


# --- a project of any size


def ident_of(batch: int) -> BatchId:
    mosaic, number = batch // _BATCHES_PER_MOSAIC + 1, batch % _BATCHES_PER_MOSAIC + 1
    return BatchId(project="bench", slice=slice_of_mosaic(mosaic, 2), mosaic=mosaic, batch=number)


def project(database: Database) -> ProjectState:
    grid = {"grid_size_x_normal": _BATCHES_PER_MOSAIC, "grid_size_x_tilted": _BATCHES_PER_MOSAIC}
    config = PSOCTScanConfig(
        project_name="bench", project_base_path=Path("products"), acquisition=OCTAcquisition(**grid)
    )
    return setup_project(database, OCT_TREE, "bench", config)


def fill(database: Database, home: Path, batches: int) -> None:
    """Insert a project's rows as the gate would have, in bulk; half of the batches are pending."""
    state = project(database)
    now = time.time()
    common = (0, now, now)
    mosaics = math.ceil(batches / _BATCHES_PER_MOSAIC)
    slices = slice_of_mosaic(mosaics, 2)
    first_mosaic, first_batch = slices + 1, slices + mosaics + 1
    rows: list[tuple[object, ...]] = [
        (n, state.row.id, "slice", n, 0, 0, None, "pending", "{}", *common) for n in range(1, slices + 1)
    ]
    for n in range(1, mosaics + 1):
        parent = slice_of_mosaic(n, 2)
        rows.append((first_mosaic + n - 1, state.row.id, "mosaic", parent, n, 0, parent, "pending", "{}", *common))
    connection = sqlite3.connect(home / "state.db")
    connection.executemany(_UNIT, rows)
    connection.executemany(
        _UNIT,
        (
            (
                first_batch + n,
                state.row.id,
                "batch",
                *(ident := ident_of(n)).numbers,
                first_mosaic + ident.mosaic - 1,
                "pending" if n % 2 else "completed",
                "{}",
                *common,
            )
            for n in range(batches)
        ),
    )
    connection.commit()
    connection.close()
    counts = state.read_project().counts["batch"]
    assert sum(counts.values()) == batches, counts
    last = state.read(ident_of(batches - 1))
    assert last is not None and last.ident == ident_of(batches - 1)


# --- the operations


def measure(database: Database, batches: int, rounds: int) -> None:
    state = ProjectState(database, OCT_TREE, "bench")
    chance = random.Random(0)
    some = [ident_of(chance.randrange(batches)) for _ in range(rounds)]
    pending = chance.sample(range(1, batches, 2), min(rounds, batches // 2))
    plain = plain_connection(Path(database.settings.home))
    select_one, update_one = plain_select(plain), plain_update(plain)

    def open_one(ident: BatchId) -> None:
        with state.open(ident) as unit:
            unit.set_milestone("volume_processed", not unit.milestones.get("volume_processed"))

    def claim_and_commit(ident: BatchId) -> None:
        state.register_ready(ident, fingerprint="f", source={"file_list": []}, dispatch="run", force=True)
        with state.commit(state.claim(ident, "process", owner="bench")) as unit:
            unit.set_milestone("enface_processed")

    case = f"{batches} batches"
    compare(case, "peek", state.peek, "one SELECT of sqlite3", select_one, some)
    compare(case, "read", state.read, "one SELECT of sqlite3", select_one, some)
    compare(case, "read of a mosaic", lambda i: state.read(i.parent), "one SELECT of sqlite3", select_one, some)
    compare(case, "open, set a milestone", open_one, "one UPDATE of sqlite3", update_one, some)
    ready = [ident_of(number) for number in pending]
    compare(case, "register, claim, commit", claim_and_commit, "one UPDATE of sqlite3", update_one, ready)
    plain.close()


def compare(
    case: str,
    name: str,
    own: Callable[[BatchId], object],
    against: str,
    plain: Callable[[BatchId], object],
    idents: list[BatchId],
) -> None:
    own(idents[0]), plain(idents[0])
    ours, theirs = [], []
    for ident in idents:
        ours.append(_seconds(own, ident))
        theirs.append(_seconds(plain, ident))
    median, floor = statistics.median(ours), statistics.median(theirs)
    emit(case, f"{name}, median", round(median * 1e3, 4), "ms", ratio=median / floor, against=against)
    emit(case, f"{name}, 99 %", round(sorted(ours)[int(0.99 * (len(ours) - 1))] * 1e3, 4), "ms")


def _seconds(work: Callable[[BatchId], object], ident: BatchId) -> float:
    began = time.perf_counter()
    work(ident)
    return time.perf_counter() - began


def plain_connection(home: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(home / "state.db", isolation_level=None, timeout=30)
    with open_database(load_settings(home=home, state_url=None)) as database, database.peek() as ours:
        synchronous = ours.exec_driver_sql("pragma synchronous").scalar_one()
        assert ours.exec_driver_sql("pragma journal_mode").scalar_one() == "wal"
    connection.execute(f"pragma synchronous = {synchronous}")
    return connection


_KEY = "project_id = 1 and level = 'batch' and n1 = ? and n2 = ? and n3 = ?"


def plain_select(connection: sqlite3.Connection) -> Callable[[BatchId], object]:
    return lambda ident: connection.execute(f"select * from unit where {_KEY}", ident.numbers).fetchone()


def plain_update(connection: sqlite3.Connection) -> Callable[[BatchId], object]:
    def update(ident: BatchId) -> None:
        connection.execute("begin immediate")
        connection.execute(f"update unit set updated_at = updated_at + 0.001 where {_KEY}", ident.numbers)
        connection.execute("commit")

    return update


# --- eight processes


def contend(settings: Settings, batches: int) -> None:
    """Let eight processes claim and commit every batch of one project, each trying all of them in its own order."""
    with open_database(settings) as database:
        state = project(database)
        for number in range(batches):
            state.register_ready(ident_of(number), fingerprint="f", source={}, dispatch="run")
        command = [sys.executable, __file__, "--worker", str(settings.home), str(batches)]
        began = time.perf_counter()
        workers = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE) for seed in range(_PROCESSES)]
        spans = [[float(part) for part in worker.communicate()[0].split()] for worker in workers]
        assert all(worker.returncode == 0 for worker in workers)
        wall = max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
        with database.peek() as connection:
            committed = Counter(
                connection.execute(select(claims.c.unit).where(claims.c.outcome == "committed")).scalars()
            )
            done = connection.execute(
                select(units.c.id).where(units.c.level == "batch", units.c.status == "completed")
            ).all()
    case = f"{batches} batches, {_PROCESSES} processes"
    emit(case, "claims committed", sum(committed.values()), "1")
    emit(case, "claims and commits a second", round(batches / wall, 1), "1/s")
    emit(case, "worst wait for a claim and its commit", round(max(worst for _, _, worst in spans) * 1e3, 1), "ms")
    emit(case, "whole run", round(time.perf_counter() - began, 2), "s")
    if len(committed) != batches or set(committed.values()) != {1} or len(done) != batches:
        raise SystemExit(f"lost or doubled: {batches} batches, {len(committed)} committed, {len(done)} completed")


def worker(home: Path, batches: int, seed: int) -> None:
    order = list(range(batches))
    random.Random(seed).shuffle(order)
    worst, began = 0.0, time.time()
    with open_database(load_settings(home=home, state_url=None)) as database:
        state = ProjectState(database, OCT_TREE, "bench")
        for number in order:
            start = time.perf_counter()
            try:
                with state.commit(state.claim(ident_of(number), "process", owner=str(seed))) as unit:
                    unit.set_milestone("enface_processed")
            except ClaimRefused:
                pass
            worst = max(worst, time.perf_counter() - start)
    print(began, time.time(), worst)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif "--small" in sys.argv[1:]:
        main([100, 10_000], rounds=100, contended=100)
    else:
        main([100, 10_000, 1_000_000], rounds=400, contended=800)
