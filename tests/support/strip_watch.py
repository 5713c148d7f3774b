"""``opticstream lsm watch`` and its kin on a small project, as an operator types them."""

import contextlib
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import select

from opticstream.core.settings import load_settings
from opticstream.state import open_database
from opticstream.state.tables import claims
from support.command import command_environment, command_line
from support.nursery import STOP_AT, Nursery, Nursling
from support.strip_phases import holds_now
from support.strip_rig import StripRig
from support.waiting import until

PATIENCE_S = 240
"""How long a command may take until it ends."""


class StripWatch:
    """The commands of one project.

    Args:
        home: application home, absent.
        api: address of the Prefect API.
        nursery: forks the commands.
        strips: how many there are; none has arrived.
        seen_from: as for ``StripRig``.
        options: of the project's configuration.
    """

    def __init__(
        self, home: Path, api: str, nursery: Nursery, *, strips: int = 1, seen_from: Path | None = None, **options: Any
    ) -> None:
        home.mkdir(exist_ok=True)
        self.settings = load_settings(home=home)
        self.rig = StripRig(self.settings, strips, seen_from, **options)
        self.environment = command_environment(home, api, OPTICSTREAM_RETRY_BACKOFF_S="[0]")
        self.log = home.parent / "log.txt"
        self._nursery = nursery

    def _watch_line(self, *more: str) -> list[str]:
        options = ("--no-pp", "--stability-seconds", "0.2", "--poll-interval", "0.1", *more)
        return command_line("lsm", "watch", "sheet", self.rig.raw, "--once", *options)

    def start(self, stop_at: str = "") -> Nursling:
        """Start a watch that ends by itself.

        Args:
            stop_at: pattern of the path at which it stops itself, once, when it first opens one; see ``stopped``.
        """
        return self._nursery.start(self._watch_line("--direct"), self.environment | {STOP_AT: stop_at}, self.log)

    def watch(self, *more: str, expect: int = 0) -> str:
        """Run a watch to its end and return what it said."""
        return self._run(self._watch_line(*(more or ("--direct",))), expect)

    def archive(self, name: str, stop_at: str = "") -> Nursling:
        """Start the archive flow of one strip, on another host; ``stop_at`` as of a watch."""
        environment = self.environment | {"OPTICSTREAM_HOST_NAME": "archive", STOP_AT: stop_at}
        ident = self.rig.ident(name)
        code = "from opticstream.flows.archive_strip import archive_strip as flow; flow(*%r)"
        script = self.log.with_name("archive.py")
        script.write_text(code % (("sheet", *ident.numbers),), "utf-8")
        return self._nursery.start(["python", str(script)], environment, self.log)

    def lsm(self, *arguments: object, expect: int = 0) -> str:
        """Run another command of ``opticstream lsm``."""
        return self._run(command_line("lsm", *arguments), expect)

    def _run(self, command: list[str], expect: int) -> str:
        said = self._nursery.run(command, self.environment, self.log, expect=expect)
        return " ".join(said.split())  # where lines were broken depends on the names

    @staticmethod
    def of(number: int) -> tuple[object, ...]:
        """Return the options that name one strip."""
        return "--slice", 1, "--channel", 1, "--strip", number

    def strip(self, number: int = 1) -> dict[str, Any]:
        """Return a strip's row, as ``lsm state show --json`` tells it."""
        units = json.loads(self.lsm("state", "show", "sheet", *self.of(number), "--json"))["units"]
        (found,) = (unit for unit in units if unit["level"] == "strip")
        row: dict[str, Any] = found
        return row

    @contextlib.contextmanager
    def stopped(self, process: Nursling, phase: str) -> Iterator[None]:
        """Wait until a process has stopped itself, in this phase of a strip; it goes on after the body.

        Args:
            process: started with ``stop_at``.
            phase: where that is.
        """
        sleeper = psutil.Process(process.pid)
        until(lambda: sleeper.status() == psutil.STATUS_STOPPED, "it has stopped", PATIENCE_S, sleeper.is_running)
        try:
            with open_database(self.settings) as database:
                assert phase in {hold.phase for hold in holds_now(database, self.rig.config)}
            yield
        finally:
            sleeper.resume()

    def interrupt(self, process: Nursling) -> None:
        """Send Ctrl+C, and wait until it is taken: of two that come at once a process hears one."""
        process.send_signal(signal.SIGINT)
        status = Path(f"/proc/{process.pid}/status")
        if status.exists():
            pending = re.compile(r"^(?:Sig|Shd)Pnd:\s*(\w+)", re.MULTILINE)
            bit = 1 << (signal.SIGINT - 1)
            until(lambda: not any(int(mask, 16) & bit for mask in pending.findall(status.read_text())), "it is taken")
        time.sleep(0.5)

    def outcomes(self) -> list[tuple[str, str]]:
        """Return stage and outcome of every claim there was."""
        with open_database(self.settings) as database, database.peek() as connection:
            rows = connection.execute(select(claims.c.stage, claims.c.outcome).order_by(claims.c.token)).all()
        return [(row.stage, row.outcome) for row in rows]

    def check_end(self) -> None:
        """Every strip once through every stage, with products equal to the raw bytes and nothing temporary."""
        with open_database(self.settings) as database:
            self.rig.check_end(database)
