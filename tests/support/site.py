"""A lab in event mode, for tests: its own server, watchers, workers, and what must hold in the end."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from opticstream.core.settings import load_settings
from opticstream.deployments.server import api_healthy, start_server, stop_server
from opticstream.state import open_database
from opticstream.state.outbox import count_events
from opticstream.state.tables import outbox
from support.api import ask_api
from support.claims_audit import statuses
from support.command import command_environment, command_line
from support.oct_folder import set_up, small_config, write_batch
from support.products_audit import check_products
from support.waiting import until

LEASE_S = 2.0


class Site:
    """A lab in event mode: its own server, watchers and workers, each on a host of its own."""

    def __init__(self, home: Path, mosaics: int, batches: int, store_url: str | None = None) -> None:
        self.folder, self.base = home.parent / "tiles", home.parent / "products"
        self.folder.mkdir()
        self.settings = load_settings(
            home=home,
            server_port=0,
            lease_s=LEASE_S,
            reconcile_after_s=3,
            retry_backoff_s=(0.0,),
            max_attempts=1000,
            state_url=store_url,
        )
        set_up(self.settings, small_config(self.base, batches=batches))
        self.environment = command_environment(
            home,
            OPTICSTREAM_LEASE_S=str(LEASE_S),
            OPTICSTREAM_RECONCILE_AFTER_S="3",
            OPTICSTREAM_RETRY_BACKOFF_S="[0]",
            OPTICSTREAM_MAX_ATTEMPTS="1000",
        )
        if store_url is not None:
            self.environment["OPTICSTREAM_STATE_URL"] = store_url
        self.total = mosaics * batches
        self.pending = [(mosaic, batch) for batch in range(1, batches + 1) for mosaic in range(1, mosaics + 1)]
        self.log = (home.parent / "log.txt").open("wb")
        self.url = ""
        self.processes: list[subprocess.Popen[bytes]] = []
        self.commands: list[tuple[Any, ...]] = []

    def server(self) -> None:
        self.url = start_server(self.settings).url

    def kill_server(self, number: int) -> None:
        info = start_server(self.settings)  # the record of the running one
        os.kill(info.pid, number)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(info.pid, 0)
        until(lambda: not api_healthy(self.url), "the server's end", every_s=0.05)

    def start(self, *arguments: Any) -> None:
        self.commands.append(arguments)
        self.processes.append(self._spawn(len(self.commands) - 1))

    def _spawn(self, index: int) -> subprocess.Popen[bytes]:
        environment = self.environment | {"OPTICSTREAM_HOST_NAME": f"host-{index}"}
        command = command_line(*self.commands[index])
        return subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log, start_new_session=True)

    def kill(self, index: int) -> None:
        """Kill a process with everything it started, as a computer that loses power does."""
        os.killpg(self.processes[index].pid, signal.SIGKILL)
        self.processes[index].wait()
        self.processes[index] = self._spawn(index)

    def arrive(self, number: int) -> None:
        for _ in range(min(number, len(self.pending))):
            write_batch(self.folder, *self.pending.pop(0))

    def watch(self) -> None:
        options = ("--no-direct", "--stability-seconds", "0.3", "--poll-interval", "0.2")
        self.start("oct", "watch", "brain", self.folder, *options)

    def await_serving(self, number: int) -> None:
        """Wait until so many workers have opened the store and serve."""
        self._until(lambda: self._said().count("Serving brain") >= number, f"{number} that serve", 180)

    def await_watching(self) -> None:
        """Wait until all that were started have opened the store, and have a handler for SIGTERM as of then."""
        term = 1 << (signal.SIGTERM - 1)

        def heard(process: subprocess.Popen[bytes]) -> bool:
            said = Path(f"/proc/{process.pid}/status")
            mask = said.read_text("utf-8").partition("SigCgt:")[2].split(maxsplit=1)[0] if said.exists() else "0"
            return bool(int(mask, 16) & term)

        self._until(lambda: all(map(heard, self.processes)), "every process at work", 180)

    def await_all(self, total: int, patience_s: float) -> None:
        with open_database(self.settings) as database:
            self._until(lambda: statuses(database) == {"completed": total}, f"{total} completed batches", patience_s)
            # What Prefect has lost it takes again only when it has forgotten, after five minutes, that it had it.
            self._until(lambda: (counts := count_events(database)).waiting == counts.sent == 0, "every event", 450)

    def _until(self, holds: Callable[[], object], what: str, patience_s: float) -> None:
        try:
            until(holds, what, patience_s, every_s=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._said()[-4000:]}") from None

    def _said(self) -> str:
        return Path(self.log.name).read_text("utf-8", "replace")

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        stop_server(self.settings)
        self.log.close()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name that the API has."""
        body: dict[str, Any] = {"filter": {"event": {"name": [name]}}, "limit": 50}
        answer = ask_api(self.url, "events/filter", body)
        found: list[dict[str, Any]] = answer["events"]
        while answer["next_page"]:
            answer = ask_api(self.url, answer["next_page"])
            found += answer["events"]
        return found

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs of the batch deployment."""
        found: list[dict[str, Any]] = []
        while True:
            flows = {"name": {"any_": ["process_tile_batch_event_flow"]}}
            body = {"flows": flows, "limit": 200, "offset": len(found)}
            page = ask_api(self.url, "flow_runs/filter", body)
            found += page
            if len(page) < 200:
                return found

    def check(self, total: int) -> None:
        """Nothing lost, nothing doubled, every event stored once, no trigger failed."""
        with open_database(self.settings) as database:
            check_products(database, self.base, total)
            with database.peek() as connection:
                rows = connection.execute(select(outbox.c.event, outbox.c.event_id)).all()
        for name in {row.event for row in rows}:
            stored = [event["id"] for event in self.events(name)]
            assert sorted(stored) == sorted(row.event_id for row in rows if row.event == name)
        assert self.events("prefect.automation.action.failed") == []
