"""One project's state: peek, read and open per unit; the gate; claims. The same code serves every tree."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, func, select, update

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import UnitId
from opticstream.core.text import check_project_name, slug
from opticstream.state import claims as claiming
from opticstream.state import stages as stages_of_unit
from opticstream.state.claims import Claim, Refusal
from opticstream.state.database import Database, db_now
from opticstream.state.gate import Dispatch, Registration, register_ready
from opticstream.state.handle import UnitHandle
from opticstream.state.lease import LeaseKeeper
from opticstream.state.rows import (
    ProjectRow,
    create_unit,
    find_project,
    find_unit,
    insert_if_absent,
    lock_unit,
    view_unit,
)
from opticstream.state.tables import claims as claim_rows
from opticstream.state.tables import projects, units
from opticstream.state.tables import stages as stage_rows
from opticstream.state.tree import Tree
from opticstream.state.views import ProjectView, UnitView, utc

I = TypeVar("I", bound=UnitId)  # noqa: E741 (an identifier's type)


def setup_project(database: Database, tree: Tree, name: str, config: BaseModel) -> "ProjectState":
    """Create a project, or replace its configuration; its units are kept.

    Raises:
        BadInput: the name cannot be a project name, or differs from another one's by case or punctuation only.
    """
    check_project_name(name)
    values = {"config": config.model_dump(mode="json"), "updated_at": db_now()}
    key = {"pipeline": tree.pipeline, "slug": slug(name)}
    with database.write("setup") as connection:
        insert_if_absent(connection, projects, {**key, **values, "name": name, "created_at": db_now()})
        found = connection.execute(
            update(projects)
            .where(*(projects.c[column] == value for column, value in key.items()))
            .values(**values)
            .returning(projects.c.name)
        ).scalar_one()
        if found != name:
            raise BadInput(
                "PROJECT",
                found=f"{name!r} beside {found!r}",
                expected="names whose blocks differ: case, '_', '.' and '-' are all one there",
                action=f"Use {found!r}, or choose another name.",
            )
    return ProjectState(database, tree, name)


class ProjectState:
    """One project of one pipeline.

    ``peek`` is an unlocked snapshot, ``read`` a consistent one with its children counted, ``open`` the locked,
    mutable unit, committed on exit and rolled back on an exception.

    Args:
        database: the open store.
        tree: the pipeline's tree.
        name: project name.

    Raises:
        ProjectNotFound: it has not been set up.
    """

    def __init__(self, database: Database, tree: Tree, name: str) -> None:
        self.database = database
        self.tree = tree
        with database.peek() as connection:
            self._project = find_project(connection, tree, name)
        self.name = self._project.name

    @property
    def row(self) -> ProjectRow:
        """The project's row, for the other rooms of ``state``."""
        return self._project

    def own(self, ident: I) -> I:
        """Return an identifier with the project spelt as at its setup: events carry it, and triggers match it."""
        return ident.model_copy(update={"project": self.name})

    # --- views

    def peek(self, ident: UnitId) -> UnitView | None:
        """Return a unit as it is, None when it has no row; takes no lock."""
        with self.database.peek() as connection:
            return view_unit(connection, self._project, ident)

    def read(self, ident: UnitId) -> UnitView | None:
        """Return a unit and its children's counts, all of one moment."""
        from dataclasses import replace

        with self.database.read() as connection:
            view = view_unit(connection, self._project, ident)
            if view is None:
                return None
            row = connection.execute(
                select(units.c.id).where(
                    units.c.project_id == self._project.id,
                    units.c.level == ident.level,
                    *(
                        column == number
                        for column, number in zip((units.c.n1, units.c.n2, units.c.n3), ident.numbers, strict=False)
                    ),
                )
            ).scalar_one()
            children = connection.execute(
                select(units.c.status, func.count().label("count"))
                .where(units.c.parent_id == row)
                .group_by(units.c.status)
            )
            return replace(view, children={row[0]: row[1] for row in children})

    @contextmanager
    def open(self, ident: UnitId, *, claim: Claim | None = None) -> Iterator[UnitHandle]:
        """Lock a unit, yield it mutable, commit on exit; it is created as pending when absent.

        On SQLite this holds the store's write lock: the body does no I/O but renames.

        Args:
            ident: the unit.
            claim: when given, it must be the current one, and stays it.

        Raises:
            ClaimLost: ``claim`` is no longer current; nothing was written.
            StateError: an ``open`` of this thread is not closed yet.
        """
        with self._changing(f"open {ident}", ident, claim) as handle:
            yield handle

    @contextmanager
    def _changing(
        self,
        what: str,
        ident: UnitId,
        claim: Claim | None,
        finish: Callable[[Connection, UnitHandle], None] | None = None,
    ) -> Iterator[UnitHandle]:
        """Lock a unit, yield it, and write what was done to it; the writing is made again if the server cuts it off.

        Args:
            what: the operation's name.
            ident: the unit.
            claim: must be current.
            finish: what else belongs into the transaction; it commits the claim.
        """
        handle: UnitHandle | None = None
        for attempt in self.database.attempts():
            with attempt, self.database.write(what) as connection:
                row = create_unit(connection, self._project, ident)
                if claim is not None:
                    if handle and finish and claiming.ended_as(connection, claim, "committed"):
                        return
                    claiming.check_token(connection, claim)
                if handle is None:
                    handle = UnitHandle(self._project, ident, row)
                    attempt.may_repeat = False
                    yield handle
                    attempt.may_repeat = True
                handle.row_id = row.id
                if finish:
                    finish(connection, handle)
                handle.flush(connection)

    # --- the project itself

    def peek_project(self) -> ProjectView:
        """Return the project's row."""
        with self.database.peek() as connection:
            return self._project_view(connection)

    def read_project(self) -> ProjectView:
        """Return the project's row and its units counted by level and status, all of one moment."""
        from dataclasses import replace

        with self.database.read() as connection:
            view = self._project_view(connection)
            counted: dict[str, dict[Any, int]] = {level.name: {} for level in self.tree.levels}
            rows = connection.execute(
                select(units.c.level, units.c.status, func.count())
                .where(units.c.project_id == self._project.id)
                .group_by(units.c.level, units.c.status)
            )
            for level, status, count in rows:
                counted[level][status] = count
            return replace(view, counts=counted)

    def _project_view(self, connection: Connection) -> ProjectView:
        row = connection.execute(select(projects).where(projects.c.id == self._project.id)).one()
        created, updated = utc(row.created_at), utc(row.updated_at)
        assert created is not None and updated is not None  # noqa: S101 (columns are NOT NULL)
        return ProjectView(row.name, row.pipeline, row.config, created, updated)

    # --- gate and claims

    def register_ready(
        self,
        ident: UnitId,
        *,
        fingerprint: str,
        source: dict[str, Any],
        dispatch: Dispatch,
        watcher_id: int | None = None,
        force: bool = False,
    ) -> Registration:
        """Make a unit found on disk ready, once; see :func:`opticstream.state.gate.register_ready`."""

        def register(connection: Connection, answer: Registration | None) -> Registration:
            if answer is not None and answer.registered:
                row = find_unit(connection, self._project, ident, lock=True)
                if row and (row.dispatch_no, row.watcher_id) == (answer.dispatch_no, watcher_id):
                    return answer  # it came through, though the server never said so
            return register_ready(
                connection,
                self._project,
                ident,
                fingerprint=fingerprint,
                source=source,
                dispatch=dispatch,
                watcher_id=watcher_id,
                force=force,
            )

        return self.database.repeat(f"register {ident}", register)

    def claim(self, ident: UnitId, stage: str, *, owner: str, force: bool = False) -> Claim:
        """Claim a stage of a unit for this process.

        Raises:
            ClaimRefused: it is taken, done, failed, not ready or backing off; ``reason`` says which.
        """

        def take(connection: Connection, taken: Claim | Refusal | None) -> Claim | Refusal:
            if isinstance(taken, Claim):
                lock_unit(connection, self._project, ident)
                if claiming.is_current(connection, taken):
                    return taken  # it came through, though the server never said so
            return claiming.take_claim(
                connection,
                self._project,
                ident,
                stage,
                owner=owner,
                identity=self.database.identity(),
                settings=self.database.settings,
                force=force,
            )

        result = self.database.repeat(f"claim {ident}", take)
        if isinstance(result, Refusal):
            raise result.error(ident, stage)
        return result

    def lease(self, claim: Claim) -> LeaseKeeper:
        """Return the keeper that renews the claim while its body runs."""
        return LeaseKeeper(self.database, claim)

    @contextmanager
    def commit(self, claim: Claim, *, result: dict[str, Any] | None = None) -> Iterator[UnitHandle]:
        """Finish a claimed stage: token checked, then the body's renames and milestones, in one short transaction.

        The unit is completed when every stage that it goes through is committed.

        Args:
            claim: must be the current one.
            result: what was made and how it was verified (JSON); stays in the claim's row. A level's last stage can
                only be claimed when every other one said ``{"verified": True, ...}`` here.

        Raises:
            ClaimLost: another worker took over; nothing was written.
        """

        def finish(connection: Connection, handle: UnitHandle) -> None:
            claiming.finish_stage(connection, claim, "committed", result)
            if not stages_of_unit.unfinished_stages(connection, self._project, claim.ident, claim.unit_row):
                handle.mark("completed")

        with self._changing(f"commit {claim.ident}", claim.ident, claim, finish) as handle:
            yield handle

    def note(self, claim: Claim, result: dict[str, Any]) -> None:
        """Store in the claim's row what its holder is about to do, so that a successor can finish it.

        Raises:
            ClaimLost: another worker took over; nothing was written.
        """

        def write(connection: Connection, _: bool | None) -> bool:
            lock_unit(connection, self._project, claim.ident)
            claiming.check_token(connection, claim)
            claiming.store_result(connection, claim, result)
            return True

        self.database.repeat(f"note {claim.ident}", write)

    def results(self, ident: UnitId) -> dict[str, dict[str, Any]]:
        """Return what the committed stages of a unit stored, by stage."""
        with self.database.read() as connection:
            row = find_unit(connection, self._project, ident)
            return {} if row is None else stages_of_unit.results(connection, row.id)

    def unfinished(self, ident: UnitId) -> set[str]:
        """Return the stages that a unit still has before it; all of them when it has no row."""
        with self.database.read() as connection:
            row = find_unit(connection, self._project, ident)
            unit_id = -1 if row is None else row.id
            return stages_of_unit.unfinished_stages(connection, self._project, ident, unit_id)

    def last_note(self, ident: UnitId, stage: str) -> dict[str, Any] | None:
        """Return what the last claim of a stage that noted anything noted, however it ended; None when none did.

        What was noted before another stage was committed anew is about another product, and does not count.
        """
        others = (
            select(func.coalesce(func.max(stage_rows.c.done_token), 0))
            .where(stage_rows.c.unit_id == units.c.id, stage_rows.c.name != stage)
            .scalar_subquery()
        )
        statement = (
            select(claim_rows.c.result)
            .join(units, units.c.id == claim_rows.c.unit_id)
            .where(claim_rows.c.unit == str(ident), claim_rows.c.stage == stage, claim_rows.c.result.is_not(None))
            .where(claim_rows.c.token > others)
            .order_by(claim_rows.c.token.desc())
            .limit(1)
        )
        with self.database.read() as connection:
            return connection.execute(statement).scalar_one_or_none()

    def fail(self, claim: Claim, error: str) -> None:
        """Mark the claimed unit failed with its error and give the claim back.

        Raises:
            ClaimLost: another worker took over; its result stands.
        """

        def write(connection: Connection, written: bool | None) -> bool:
            row = create_unit(connection, self._project, claim.ident)
            if not (written and claiming.ended_as(connection, claim, "failed")):
                claiming.check_token(connection, claim)
                claiming.finish_stage(connection, claim, "failed")
                handle = UnitHandle(self._project, claim.ident, row)
                handle.mark("failed", error=error)
                handle.flush(connection)
            return True

        self.database.repeat(f"fail {claim.ident}", write)

    def release(self, claim: Claim) -> None:
        """Give a claim back unused; the attempt does not count.

        Raises:
            ClaimLost: another worker took over.
        """

        def write(connection: Connection, written: bool | None) -> bool:
            lock_unit(connection, self._project, claim.ident)
            if not (written and claiming.ended_as(connection, claim, "released")):
                claiming.undo_attempt(connection, claim)
            return True

        self.database.repeat(f"release {claim.ident}", write)
