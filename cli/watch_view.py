"""The live status line of a watcher: what it sees, what it does, how fast, how long still."""

import logging
import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from opticstream.cli.console import err
from opticstream.core.identifiers import UnitId
from opticstream.watch import LogObserver, Outcome, PassReport, Problem

log = logging.getLogger("opticstream.watch")

_LEAST_S = 0.5
"""How long a step goes on before its rate says something."""


class WatchView:
    """Logs what happens and, on a terminal, keeps one line of status below the log.

    Args:
        live: keep the line.
        noun: what the units are called.
        quiet: outcomes that are not logged, since another line says them.
    """

    def __init__(self, *, live: bool, noun: str = "batches", quiet: frozenset[str] = frozenset()) -> None:
        self._noun, self._quiet = noun, quiet
        self._log = LogObserver()
        self._live = Live(Text(""), console=err, refresh_per_second=4, transient=True) if live else None
        self._report = PassReport()
        self._done = self._failed = self._files = 0
        self._busy_s = 0.0
        self._running: str | None = None
        self._step, self._step_began = "", 0.0

    def say(self, text: str) -> None:
        """Log a line for the operator."""
        log.info(text)

    def unit(self, ident: str, outcome: Outcome, detail: str) -> None:
        """Log what happened to a unit."""
        if outcome not in self._quiet:
            self._log.unit(ident, outcome, detail)

    def problem(self, problem: Problem) -> None:
        """Log a problem once."""
        self._log.problem(problem)

    def finished(self, report: PassReport) -> None:
        """Take a pass's numbers."""
        self._report = report
        self._log.finished(report)
        self._draw()

    def began(self, ident: UnitId, files: int) -> None:
        """Note that a unit's flow begins."""
        self._running, self._step = str(ident), ""
        self._files += files
        self._step_began = time.monotonic()
        self._draw()

    def progress(self, step: str, done: int, total: int) -> None:
        """Note how far a long step is."""
        name = step.partition(" ")[0]
        if not self._step.startswith(name) or done == 0:
            self._step_began = time.monotonic()
        seconds = time.monotonic() - self._step_began
        share = 100 * done / total if total else 0
        self._step = f"{name} {share:.0f} %"
        if done and seconds >= _LEAST_S:
            left = (total - done) * seconds / done
            self._step += f", {done / seconds / 1e6:.0f} MB/s, {left:.0f} s left"
        self._draw()

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        """Note that a unit's flow has ended."""
        self._running, self._step = None, ""
        self._busy_s += seconds
        self._done += status == "completed" and self._noun.startswith(ident.level)
        self._failed += status == "failed"
        if status != "failed":  # its error follows
            log.info("%s: %s in %.1f s", ident, "left to others" if status == "running" else status, seconds)
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(Text(self.line(time.strftime("%H:%M:%S")), no_wrap=True, overflow="ellipsis"))

    def line(self, clock: str) -> str:
        """Return the status line."""
        report = self._report
        ended = self._done + self._failed
        rate = f" · {self._files / self._busy_s:.1f} files/s" if self._busy_s and self._files else ""
        left = report.waiting + report.remaining + max(0, report.ready - report.dispatched - report.skipped)
        eta = f"{left * self._busy_s / ended:.0f} s" if ended and left else "?"
        return (
            f"{clock}  {self._noun}: {report.seen} seen, {report.incomplete} incomplete, {report.waiting} waiting, "
            f"{report.remaining} ready, {int(self._running is not None)} running, {self._done} done, "
            f"{self._failed} failed{rate} · ETA {eta}" + (f" · {self._step}" if self._step else "")
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
