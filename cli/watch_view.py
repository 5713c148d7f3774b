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


class WatchView:
    """Logs what happens and, on a terminal, keeps one line of status below the log."""

    def __init__(self, *, live: bool) -> None:
        self._log = LogObserver()
        self._live = Live(Text(""), console=err, refresh_per_second=4, transient=True) if live else None
        self._report = PassReport()
        self._done = self._failed = self._tiles = 0
        self._busy_s = 0.0
        self._running: str | None = None

    def say(self, text: str) -> None:
        """Log a line for the operator."""
        log.info(text)

    def unit(self, ident: str, outcome: Outcome, detail: str) -> None:
        """Log what happened to a unit."""
        self._log.unit(ident, outcome, detail)

    def problem(self, problem: Problem) -> None:
        """Log a problem once."""
        self._log.problem(problem)

    def finished(self, report: PassReport) -> None:
        """Take a pass's numbers."""
        self._report = report
        self._log.finished(report)
        self._draw()

    def began(self, ident: UnitId, tiles: int) -> None:
        """Note that a batch's flow begins."""
        self._running = str(ident)
        self._tiles += tiles
        self._draw()

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        """Note that a batch's flow has ended."""
        self._running = None
        self._busy_s += seconds
        self._done += status == "completed"
        self._failed += status == "failed"
        log.info("%s %s in %.1f s", ident, status, seconds)
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(Text(self.line(time.strftime("%H:%M:%S")), no_wrap=True, overflow="ellipsis"))

    def line(self, clock: str) -> str:
        """Return the status line."""
        report = self._report
        ended = self._done + self._failed
        rate = f"{self._tiles / self._busy_s:.1f} files/s" if self._busy_s else "? files/s"
        left = report.waiting + report.remaining + max(0, report.ready - report.dispatched - report.skipped)
        eta = f"{left * self._busy_s / ended:.0f} s" if ended and left else "?"
        return (
            f"{clock}  batches: {report.seen} seen, {report.incomplete} incomplete, {report.waiting} waiting, "
            f"{report.remaining} ready, {int(self._running is not None)} running, {self._done} done, "
            f"{self._failed} failed · {rate} · ETA {eta}"
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
