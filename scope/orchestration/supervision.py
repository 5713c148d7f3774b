"""The processes of a scope: started, watched, started anew, ended within two seconds or when all is saved."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from opticstream.scope.child_link import ChildLink
from opticstream.scope.commands.broadcasts import QuitCommand
from opticstream.scope.commands.scripts import ProcessDiedCommand
from opticstream.scope.commands.showing import ShowErrorCommand, ShowWarningCommand
from opticstream.scope.frame_ledger import FrameLedger, FrameOutcome, FrameRange
from opticstream.scope.ipc import Command
from opticstream.scope.orchestration.silence import SilenceWatch
from opticstream.scope.processing.saving_patience import SAVING_S, SavingPatience
from opticstream.scope.processing.strays import end_strays
from opticstream.scope.shared import Shared

logger = logging.getLogger("opticstream.scope")

GRACE_S = 1.2
_AFTER_TERMINATE_S = 0.4
_AFTER_KILL_S = 0.3
_REMOVAL_S = 1.1
"""More than what comes after it needs: shared memory and folders are removed."""
_LONGEST_SLEEP_S = 0.25


class Supervision:
    """Starts the managers' processes, hears of their deaths, and ends them."""

    processes: dict[str, Any]
    pipes: dict[str, Connection]
    quitting_events: Mapping[str, Any]
    _signs_of_life: Mapping[str, Any]
    _silence: SilenceWatch
    _links: dict[str, ChildLink]
    _kept: dict[str, dict[str, Any]]
    _wake: Connection
    _quit_reason: str | None
    _failed: bool
    _restarts: int
    _ready: set[str]
    up: threading.Event
    grace_s: float = GRACE_S
    """How long processes may take to close their files at the end; then they are asked by signal, then killed."""
    _quitting: Any
    _end_by: float = 0.0

    if TYPE_CHECKING:  # of the scope's other parts

        def _all_ready(self) -> None: ...

        def receive_ipc(self) -> bool:
            """Take what has come on every pipe; another part of the scope does it."""
            ...

        def _share(self) -> Shared: ...

        def _show(self, command: Command) -> None: ...

    def _start_managers(self) -> None:
        """Start each manager's process."""
        for name in self.processes:
            if self._quit_reason is None:
                self._start_manager(name)

    def _start_manager(self, name: str) -> None:
        self.quitting_events[name].clear()
        self._signs_of_life[name].clear()
        self._silence.forget(name)
        link = ChildLink(self.processes[name], self._share(), self._kept.get(name, {}))
        self._links[name] = link
        self.pipes[name] = link.pipe

    def process_ready(self, process_name: str) -> None:
        """Take note that a process has set itself up; the scope is up when all have."""
        self._ready.add(process_name)
        if self._ready == set(self.processes) and not self.up.is_set():
            self.up.set()
            self._all_ready()

    def keep_state(self, process_name: str, state: dict[str, Any]) -> None:
        """Keep what a process would need if it were started anew."""
        self._kept.setdefault(process_name, {}).update(state)

    def keep_frames(self, process_name: str, frames: tuple[FrameRange, ...]) -> None:
        """Keep what became of frames, for the next life of the process that told it."""
        ledger: FrameLedger = self._kept.setdefault(process_name, {}).setdefault("ledger", FrameLedger())
        for one in frames:
            if one.outcome is FrameOutcome.NOT_STORED:  # it was told as tracked before
                ledger.not_stored(one.first, one.last, one.reason)
            else:
                ledger.add(one)

    def log_exception(self, process_name: str, details: str) -> None:
        """Tell of an exception in a process."""
        self._dismiss_startup_splash_if_pending()
        print(f"[{process_name}] Unhandled exception in child process:\n{details}", file=sys.stderr, flush=True)
        self._show(ShowErrorCommand(f"{process_name} failed", details))

    if TYPE_CHECKING:  # of the scope's other parts

        def _dismiss_startup_splash_if_pending(self) -> None: ...

    def _look_after_managers(self) -> bool:
        """Start anew who has died; return whether anybody had."""
        ended = [name for name, link in self._links.items() if not link.is_alive()]
        for name in ended:
            self._ended(name)
        for name, link in self._links.items():
            if link.stuck:
                logger.error("%s does not take its commands; it is ended", name)
                link.kill()
        return bool(ended)

    def _listen_for_life(self) -> None:
        """Tell of processes that do not come to the end of their turn: they hang, or are in a long call."""
        now = time.monotonic()
        if not self._silence.due(now):
            return
        for found in self._silence.look(now, {name: self._signs_of_life[name].until for name in self._links}):
            if found.over:
                text, details = f"{found.name} is heard of again, after {found.seconds:.0f} s", ""
            else:
                text = f"{found.name} has not been heard of for {found.seconds:.0f} s"
                details = "it hangs, or is in a long call of its device; its commands wait"
            logger.warning("%s%s", text, f": {details}" if details else "")
            self._show(ShowWarningCommand(text, details))

    def _ended(self, name: str) -> None:
        while self.receive_ipc():  # its last words
            pass
        link, manager = self._links.pop(name), self.processes[name]
        link.close()
        how = f"{name} ended with exit code {link.exitcode}"
        if self._quit_reason is not None:
            return
        if manager.restart_policy.again(time.monotonic()):
            logger.error("%s; it is started anew", how)
            self._restarts += 1
            self._start_manager(name)
            self._show(ProcessDiedCommand(name))
            self._show(ShowWarningCommand(f"{how} and was started anew"))
        else:
            policy = manager.restart_policy
            again = f", the {_nth(policy.limit + 1)} time within {policy.window_s:g} s" if policy.limit else ""
            self._quit_reason, self._failed = f"{how}{again}", True
            logger.error("%s; the scope ends", self._quit_reason)

    def _sleep_when_idle(self) -> None:
        """Sleep until a process says something or ends, or somebody wakes this one."""
        ends = [one for link in self._links.values() for one in (link.pipe, link.sentinel)]
        if self._wake in wait([*ends, self._wake], _LONGEST_SLEEP_S):
            while self._wake.poll(0):
                self._wake.recv_bytes()

    @property
    def longest_end_s(self) -> float:
        """How long an end may take, s; that of a scope in which something hangs takes `SAVING_S` less."""
        return self.grace_s + SAVING_S + _AFTER_TERMINATE_S + _AFTER_KILL_S + _REMOVAL_S

    def _drain_child_pipes_after_quit(self) -> None:
        """Tell every process to end, and take what they still say, until they have or their time is up."""
        self._end_by = time.monotonic() + self.grace_s + _AFTER_TERMINATE_S
        self._quitting.set()
        for link in self._links.values():
            link.send(QuitCommand())
        self._until_ended(self.grace_s, self._saving)

    def _saving(self) -> set[int]:
        """Return the processes that have something to save: who keeps files, and who writes them for it."""
        ready = [link for name, link in self._links.items() if name in self._ready and self._helpers_of(name)]
        return {link.manager.pid or 0 for link in ready}.union(*map(self._helpers_of, self._kept))

    def _helpers_of(self, name: str) -> set[int]:
        """Return a process's own that write; who tracks for it has nothing to save."""
        kept = self._kept.get(name, {})
        return set(kept.get("helpers", {})) - set(kept.get("workers", {}))

    def _join_processes(self) -> None:
        """End every process that has not ended by itself: first by signal, then for good."""
        for step, patience_s in ((ChildLink.terminate, _AFTER_TERMINATE_S), (ChildLink.kill, _AFTER_KILL_S)):
            for name, link in self._links.items():
                if link.is_alive():
                    # Who still imports hears nothing, and has nothing to close.
                    level = logging.WARNING if name in self._ready else logging.INFO
                    logger.log(level, "%s does not end: %s", name, step.__name__)
                    step(link)
            self._until_ended(patience_s)
        saving = self._saving()
        for link in self._links.values():
            link.close()
        self._links.clear()
        # Whose own parent was killed ends by itself, unless it hangs. Who tracks has nothing to lose, so that the one
        # process that may still close its files is not kept waiting for, and then killed, with those that hang.
        for helpers, patience in (
            ("workers", 0.0),
            ("helpers", max(_AFTER_KILL_S, self._end_by - time.monotonic())),
        ):
            strays = {pid: born for kept in self._kept.values() for pid, born in kept.get(helpers, {}).items()}
            end_strays(strays, patience, saving & strays.keys())

    def _until_ended(self, patience_s: float, saving: Callable[[], Iterable[int]] = tuple) -> None:
        """Take what processes still say until they have ended, or so long; longer while one that saves is at work."""
        patience = SavingPatience(patience_s, saving)
        while left := patience.left():
            alive = [link for link in self._links.values() if link.is_alive()]
            if not alive:
                break
            wait([one for link in alive for one in (link.pipe, link.sentinel)], left)
            while self.receive_ipc():
                pass
            if not any(link.pipe.poll(0) for link in alive if not link.pipe.closed):
                time.sleep(0.002)  # pipes at their end are always ready


def _nth(number: int) -> str:
    teen = 10 < number % 100 < 14
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
