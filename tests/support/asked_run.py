"""A flow run in a thread of this process that asks, and what can be seen of it from outside."""

import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from uuid import UUID, uuid4

from opticstream.deployments.paused_runs import PausedRun, PausedRuns
from support.api import ask_api
from support.asking_flow import asking
from support.waiting import PATIENCE_S, until

ASKS_WITHIN_S = 120.0
"""A session that asks may have to start its interpreter first."""


class SeenRun:
    """A flow run as it is seen, and changed, from outside.

    Args:
        url: of the API.
        name: of the run.
    """

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name

    @classmethod
    def of_flow(cls, url: str, flow: str) -> "SeenRun":
        """Wait for a run of this flow that has begun and is not over."""
        body = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": {"type": {"any_": ["RUNNING", "PAUSED"]}}}}
        rows = until(lambda: ask_api(url, "flow_runs/filter", body), f"a run of {flow} begins", every_s=0.05)
        return SeenRun(url, rows[0]["name"])

    def paused(self, key: str = "", reason: str = "") -> PausedRun:
        """Wait until it asks this (or anything), for a reason that holds these words (or none); return what it asks."""

        def fits(run: PausedRun) -> bool:
            asked = run.name == self.name and key in ("", run.form.question.key)
            return asked and reason in run.form.reason and bool(reason) == bool(run.form.reason)

        with PausedRuns(self.url) as runs:
            what = f"{self.name} asks {key}"
            found: PausedRun = until(lambda: next(filter(fits, runs.all()), None), what, ASKS_WITHIN_S, every_s=0.05)
            return found

    def answer(self, run: PausedRun, value: str, wait_s: float = PATIENCE_S) -> str:
        """Answer; return why it was not taken."""
        with PausedRuns(self.url) as runs:
            return runs.answer(run, {run.form.question.key: value}, wait_s)

    @property
    def id(self) -> UUID:
        """Return the run's id."""
        return UUID(self.row()["id"])

    def row(self) -> dict[str, Any]:
        """Return the run as the API has it."""
        body = {"flow_runs": {"name": {"any_": [self.name]}}}
        rows = until(lambda: ask_api(self.url, "flow_runs/filter", body), "the run begins", every_s=0.05)
        row: dict[str, Any] = rows[0]
        return row

    def set_state(self, kind: str) -> None:
        """Put the run into a state, as somebody at the UI may."""
        body = {"state": {"type": kind, "name": kind.title()}}
        ask_api(self.url, f"flow_runs/{self.id}/set_state", body)


class AskedRun(SeenRun):
    """Runs ``asking`` in a thread; use as a context manager.

    Args:
        url: of the API.
        keys: questions, in order.
        timeout_s: of each; long, since all that a test does before it answers counts.
    """

    def __init__(self, url: str, *keys: str, timeout_s: float | None = 600) -> None:
        super().__init__(url, f"asked-{uuid4()}")
        self._pool = ThreadPoolExecutor(1)
        flow = asking.with_options(flow_run_name=self.name)
        context = contextvars.copy_context()
        self.future = self._pool.submit(context.run, flow, list(keys), timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.future.done():
            self.set_state("CANCELLED")  # which ends it
        self._pool.shutdown()

    def result(self) -> Any:
        """Return the answers, or raise what the run raised."""
        return self.future.result(ASKS_WITHIN_S)
