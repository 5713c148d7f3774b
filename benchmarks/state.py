"""What the project state costs at 100, 10,000 and 1,000,000 batches, and under eight processes.

Run as ``python benchmarks/state.py [--small]``. On SQLite; and, up to 10,000 batches, on PostgreSQL where its server is
installed: one of its own on this computer, so that no network is measured. Each operation is measured right beside the
plain way: the statements it cannot do without, by the ``sqlite3`` module on the same file with the same journal and
synchronous settings, or by ``psycopg`` on the same database.
Targets at every size: median peek below 1 ms, median open below 10 ms; one that is missed is told on standard error.
Ends with exit code 1 when a batch is lost or committed twice. ``TMPDIR`` says which disk is measured.
"""

import json
import math
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from _emit import emit as result
from sqlalchemy import Connection, Table, insert, select

from opticstream.core.errors import ClaimRefused
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import batch_id
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.state import OCT_TREE, Database, ProjectState, open_database, setup_project
from opticstream.state.tables import claims, stages, units

emit = partial(result, "state")

_BATCHES_PER_MOSAIC, _MOSAICS_PER_SLICE = 50, 2
_ROWS_PER_COMMIT = 10_000
_PROCESSES = 8
_RUN_S = 900
_LARGEST_ON_POSTGRESQL = 10_000
_TARGETS_MS = {"peek": 1.0, "open, set a milestone": 10.0}

Work = Callable[[BatchId], object]


def main(sizes: list[int], rounds: int, contended: int) -> None:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from support.postgres import find_binaries, temporary_cluster

    measure_store("", lambda: None, sizes, rounds, contended)
    binaries = find_binaries()
    if binaries is None:
        print("not measured: PostgreSQL, which is not installed here", file=sys.stderr)
        return
    with temporary_cluster(binaries, durable=True) as cluster:
        smaller = [batches for batches in sizes if batches <= _LARGEST_ON_POSTGRESQL]
        measure_store(", PostgreSQL", lambda: cluster.url(cluster.create_database()), smaller, rounds, contended)


def measure_store(
    suffix: str, new_url: Callable[[], str | None], sizes: list[int], rounds: int, contended: int
) -> None:
    for batches in sizes:
        with fresh_project(new_url()) as (database, state):
            fill(state, batches)
            check_fill(state, batches)
            measure(database, state, batches, rounds, suffix)
    contend(contended, new_url, suffix)


@contextmanager
def fresh_project(url: str | None) -> Iterator[tuple[Database, ProjectState]]:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        grid = OCTAcquisition(grid_size_x_normal=_BATCHES_PER_MOSAIC, grid_size_x_tilted=_BATCHES_PER_MOSAIC)
        config = PSOCTScanConfig(project_name="bench", project_base_path=Path("products"), acquisition=grid)
        with open_database(load_settings(home=Path(name), state_url=url)) as database:
            yield database, setup_project(database, OCT_TREE, "bench", config)


def ident_of(number: int) -> BatchId:
    mosaic, batch = divmod(number, _BATCHES_PER_MOSAIC)
    return batch_id("bench", mosaic + 1, batch + 1, _MOSAICS_PER_SLICE)


def register(state: ProjectState, number: int) -> None:
    tiles = [f"mosaic_{number}_image_{tile:04d}_cropped_focus.nii" for tile in range(1, 21)]
    state.register_ready(ident_of(number), fingerprint="f" * 64, source={"file_list": tiles}, dispatch="direct")


def claim_and_commit(state: ProjectState, owner: str, ident: BatchId) -> int:
    claim = state.claim(ident, "process", owner=owner)
    with state.commit(claim) as unit:
        unit.set_milestone("enface_processed")
    return claim.token


# --- a project of any size


@dataclass
class Copies:
    """Rows like one that the store made, waiting to be inserted."""

    table: Table
    model: dict[str, Any]
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **changes: Any) -> None:
        """Add a copy that differs in these columns."""
        self.waiting.append(self.model | changes)

    def insert(self, connection: Connection) -> None:
        """Insert what is waiting."""
        if self.waiting:
            connection.execute(insert(self.table), self.waiting)
            self.waiting.clear()


def fill(state: ProjectState, batches: int) -> None:
    """Make a completed and a ready batch as workers do, then copy their rows in bulk, in turn."""
    register(state, 0)
    claim_and_commit(state, "bench", ident_of(0))
    register(state, 1)
    with state.database.peek() as connection:
        found = [
            # A column left out is NULL; a None in a JSON column would be written as JSON.
            Copies(table, {name: value for name, value in row._mapping.items() if value is not None})
            for table in (units, stages, claims)
            for row in connection.execute(select(table))
        ]
    slice_, mosaic, completed, ready, stage, claim = found
    ids, tokens = count(ready.model["id"] + 1), count(claim.model["token"] + 1)
    slice_id, mosaic_id = slice_.model["id"], mosaic.model["id"]
    for first in range(2, batches, _ROWS_PER_COMMIT):
        for number in range(first, min(first + _ROWS_PER_COMMIT, batches)):
            ident = ident_of(number)
            n1, n2, n3 = ident.numbers
            if n3 == 1 and n2 % _MOSAICS_PER_SLICE == 1:
                slice_id = next(ids)
                slice_.add(id=slice_id, n1=n1)
            if n3 == 1:
                mosaic_id = next(ids)
                mosaic.add(id=mosaic_id, n1=n1, n2=n2, parent_id=slice_id)
            row = next(ids)
            (ready if number % 2 else completed).add(id=row, n1=n1, n2=n2, n3=n3, parent_id=mosaic_id)
            if number % 2 == 0:
                token = next(tokens)
                stage.add(unit_id=row, done_token=token)
                claim.add(token=token, unit_id=row, unit=str(ident))
        with state.database.write("fill") as connection:
            for copies in found:
                copies.insert(connection)
    if not state.database.is_sqlite:  # the copies brought their own numbers, and the server would look at them later
        with state.database.peek() as connection:
            for table, column in (("unit", "id"), ("claim", "token")):
                last = f"select setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) from {table}"
                connection.exec_driver_sql(last)
            connection.exec_driver_sql("analyze")
    if hasattr(os, "sync"):
        os.sync()  # the next commits would wait for what the fill left to the disk


def check_fill(state: ProjectState, batches: int) -> None:
    """Look at the project as its users do: every unit counted, any batch like the one it was copied from."""
    mosaics = math.ceil(batches / _BATCHES_PER_MOSAIC)
    assert state.read_project().counts == {
        "slice": {"pending": math.ceil(mosaics / _MOSAICS_PER_SLICE)},
        "mosaic": {"pending": mosaics},
        "batch": {"completed": math.ceil(batches / 2), "ready": batches // 2},
    }
    for number in (*random.Random(1).sample(range(batches), 50), batches - 1):
        ident = ident_of(number)
        view, model, parent = state.peek(ident), state.peek(ident_of(number % 2)), state.read(ident.parent)
        assert view is not None and model is not None and parent is not None, ident
        assert view.ident == ident and replace(view, ident=model.ident) == model, view
        assert sum((parent.children or {}).values()) == _BATCHES_PER_MOSAIC, parent


# --- the operations


def measure(database: Database, state: ProjectState, batches: int, rounds: int, suffix: str) -> None:
    chance = random.Random(0)
    some = [ident_of(chance.randrange(batches)) for _ in range(rounds + 1)]
    ready = [ident_of(n) for n in chance.sample(range(1, batches, 2), min(rounds + 1, batches // 2))]

    def open_one(ident: BatchId) -> None:
        with state.open(ident) as unit:
            unit.set_milestone("uploaded")

    with closing(Plain(database)) as plain:
        select_one, select_two = partial(plain_select, plain), partial(plain_read, plain)
        update_one, update_two = partial(plain_update, plain, 1), partial(plain_update, plain, 2)
        compared = partial(compare, f"{batches} batches{suffix}")
        two = f"SELECT of the row and of its children's counts by {plain.name}"
        compared("peek", state.peek, select_one, f"SELECT by {plain.name}", some)
        compared("read", state.read, select_two, two, some)
        compared(
            "read of a mosaic",
            lambda ident: state.read(ident.parent),
            lambda ident: select_two(ident.parent),
            two,
            some,
        )
        compared("open, set a milestone", open_one, update_one, f"UPDATE by {plain.name}", some)
        work = partial(claim_and_commit, state, "bench")
        compared("claim and commit", work, update_two, f"two UPDATEs, each committed, by {plain.name}", ready)
    for ident in ready:
        view = state.peek(ident)
        assert view is not None and view.completed and view.milestones["enface_processed"], ident


def compare(case: str, name: str, own: Work, plain: Work, against: str, idents: list[BatchId]) -> None:
    """Measure both ways on each identifier, in turn the one and the other first; the first identifier warms up."""
    sides: tuple[tuple[Work, list[float]], ...] = ((own, []), (plain, []))
    for turn, ident in enumerate(idents):
        for work, times in sides if turn % 2 else reversed(sides):
            began = time.perf_counter()
            work(ident)
            times.append((time.perf_counter() - began) * 1e3)
    ours, theirs = (sorted(times[1:]) for _, times in sides)
    last = math.ceil(0.99 * len(ours)) - 1
    median, floor = statistics.median(ours), statistics.median(theirs)
    emit(case, f"{name}, median", round(median, 4), "ms", ratio=median / floor, against=against)
    emit(case, f"{name}, 99 %", round(ours[last], 4), "ms", ratio=ours[last] / theirs[last], against=against)
    if median >= _TARGETS_MS.get(name, math.inf):
        print(f"target missed: {case}: {name}: {median:.2f} ms, not below {_TARGETS_MS[name]} ms", file=sys.stderr)


class Plain:
    """The driver alone, on the same store under the same settings."""

    def __init__(self, database: Database) -> None:
        self.name = "sqlite3" if database.is_sqlite else "psycopg"
        self._connection = plain_sqlite(database) if database.is_sqlite else plain_postgresql(database)

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        """Execute a statement written for SQLite."""
        if self.name == "psycopg":
            statement = statement.replace("?", "%s").replace(" immediate", "")
        return self._connection.execute(statement, values)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def plain_postgresql(database: Database) -> Any:
    url = database.engine.url
    return psycopg.connect(dbname=url.database, user=url.username, **url.query, autocommit=True)  # type: ignore[arg-type]


def plain_sqlite(database: Database) -> Any:
    connection = sqlite3.connect(str(database.engine.url.database), isolation_level=None, timeout=30)
    with database.peek() as ours:
        for pragma in ("journal_mode", "synchronous", "foreign_keys"):
            value = ours.exec_driver_sql(f"pragma {pragma}").scalar_one()
            connection.execute(f"pragma {pragma} = {value}").close()
            assert connection.execute(f"pragma {pragma}").fetchone()[0] == value, pragma
    return connection


_KEY = "project_id = 1 and level = ? and n1 = ? and n2 = ? and n3 = ?"


def plain_select(connection: Plain, ident: Any) -> Any:
    n1, n2, n3 = (*ident.numbers, 0, 0)[:3]
    return connection.execute(f"select * from unit where {_KEY}", (ident.level, n1, n2, n3)).fetchone()


def plain_read(connection: Plain, ident: Any) -> None:
    connection.execute("begin")
    row = plain_select(connection, ident)
    children = "select status, count(*) from unit where parent_id = ? group by status"
    connection.execute(children, row[:1]).fetchall()
    connection.execute("commit")


def plain_update(connection: Plain, times: int, ident: BatchId) -> None:
    for _ in range(times):
        connection.execute("begin immediate")
        statement = f"update unit set updated_at = updated_at + 0.001 where {_KEY}"
        assert connection.execute(statement, (ident.level, *ident.numbers)).rowcount == 1
        connection.execute("commit")


# --- eight processes


def contend(batches: int, new_url: Callable[[], str | None], suffix: str) -> None:
    """Let eight processes claim and commit every batch of one project, each trying all of them in its own order."""
    plain, _ = run_workers("plain", batches, new_url())
    rate, worst = run_workers("claims", batches, new_url())
    case = f"{batches} batches, {_PROCESSES} processes{suffix}"
    against = f"compare-and-set UPDATE and UPDATE, each committed, by {'psycopg' if suffix else 'sqlite3'}"
    emit(case, "claims and commits a second", round(rate, 1), "1/s", ratio=rate / plain, against=against)
    emit(case, "claims tried a second, most refused", round(rate * _PROCESSES, 1), "1/s")
    emit(case, "longest wait for a claim or a refusal, and the commit", round(worst * 1e3, 1), "ms")


def run_workers(kind: str, batches: int, url: str | None) -> tuple[float, float]:
    """Return the batches committed a second, and the longest that one of them took.

    Raises:
        SystemExit: a batch was lost or committed twice.
    """
    with fresh_project(url) as (database, state):
        for number in range(batches):
            register(state, number)
        command = [sys.executable, __file__, f"--worker={kind}", str(database.settings.home), str(batches)]
        environment = os.environ | {"OPTICSTREAM_STATE_URL": url or ""}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
        workers = [subprocess.Popen([*command, str(seed)], **pipes) for seed in range(_PROCESSES)]  # type: ignore[call-overload]
        try:
            for worker in workers:
                assert worker.stdout.readline() == "ready\n"
            for worker in workers:  # all are there: go
                worker.stdin.write("go\n")
                worker.stdin.flush()
            printed = [worker.communicate(timeout=_RUN_S)[0] for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
        if any(worker.returncode for worker in workers):
            raise SystemExit(f"{kind}: workers ended with {[worker.returncode for worker in workers]}")
        told = [json.loads(text) for text in printed]
        audit(database, state, kind, batches, told)
    wall = max(one["ended"] for one in told) - min(one["began"] for one in told)
    return batches / wall, max(one["worst"] for one in told)


def audit(database: Database, state: ProjectState, kind: str, batches: int, told: list[dict[str, Any]]) -> None:
    """Hold what the workers were told against what the store says, with the audit that the campaigns of kills use."""
    from support.claims_audit import committed_tokens

    expected = {str(ident_of(number)) for number in range(batches)}
    committed = [item for one in told for item in one["committed"].items()]
    counts = state.read_project().counts
    lost = expected - {unit for unit, _ in committed}
    if lost or len(committed) != batches or counts is None or counts["batch"] != {"completed": batches}:
        raise SystemExit(f"{kind}: {len(committed)} commits of {batches} batches, {len(lost)} lost, {counts}")
    if kind == "claims":
        try:
            tokens = committed_tokens(database)
        except AssertionError as error:
            raise SystemExit(f"{kind}: {error}") from error
        if tokens != dict(committed):
            raise SystemExit(f"{kind}: the store's tokens are not those of its workers: {tokens} {committed}")


def worker(kind: str, settings: Settings, batches: int, seed: int) -> None:
    order = list(range(batches))
    random.Random(seed).shuffle(order)
    committed, worst = {}, 0.0
    with open_database(settings) as database, closing(Plain(database)) as plain:
        state = ProjectState(database, OCT_TREE, "bench")
        work = partial(claim_and_commit, state, str(seed)) if kind == "claims" else partial(plain_claim, plain)
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.time()
        for number in order:
            start = time.perf_counter()
            with suppress(ClaimRefused):
                committed[str(ident_of(number))] = work(ident_of(number))
            worst = max(worst, time.perf_counter() - start)
        ended = time.time()
    print(json.dumps({"began": began, "ended": ended, "worst": worst, "committed": committed}))


def plain_claim(connection: Plain, ident: BatchId) -> int:
    for before, after in (("ready", "running"), ("running", "completed")):
        connection.execute("begin immediate")
        statement = f"update unit set status = ? where {_KEY} and status = ?"
        changed = connection.execute(statement, (after, ident.level, *ident.numbers, before)).rowcount
        connection.execute("commit")
        if changed == 0:
            raise ClaimRefused(str(ident), found=f"not {before}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--worker="):
        settings = load_settings(home=Path(sys.argv[2]))
        worker(sys.argv[1].removeprefix("--worker="), settings, int(sys.argv[3]), int(sys.argv[4]))
    elif "--small" in sys.argv[1:]:
        main([100, 10_000], rounds=200, contended=100)
    else:
        main([100, 10_000, 1_000_000], rounds=1000, contended=800)
