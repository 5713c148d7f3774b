"""A command under way: watched, ended when asked or when a limit is passed, and judged."""

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from opticstream.core.patience import patiently
from opticstream.rig.engine.acquisition_record import AcquisitionRecord
from opticstream.rig.engine.judgement import FailureRules, signal_name
from opticstream.rig.engine.line_teller import LineTeller
from opticstream.rig.engine.output_keeper import OutputKeeper
from opticstream.rig.engine.output_reader import OutputReader
from opticstream.rig.engine.pending_result import PendingResult
from opticstream.rig.engine.process_tree import ProcessTree
from opticstream.rig.engine.result import EngineResult, Outcome
from opticstream.rig.engine.watch import Watch
from opticstream.rig.engine.windows_job import WindowsJob

_log = logging.getLogger("opticstream.rig")
_WATCHDOG_GRACE_S = 10.0
_LEFTOVER_S = 2.0
_READERS_S = 5.0
_TELLER_S = 2.0
_NOTICE_S = 5.0


@dataclass(frozen=True)
class Plumbing:
    """What hangs on the process and is put away after it."""

    readers: tuple[OutputReader, OutputReader]
    teller: LineTeller
    keeper: OutputKeeper
    record_file: Path | None
    record: AcquisitionRecord


@dataclass(frozen=True)
class _Stop:
    reason: str
    grace_s: float
    watchdog: str | None = None


class RunningProcess(PendingResult):
    """The acquisition between its start and its result; made by `ProcessEngine.start`."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        tree: ProcessTree,
        plumbing: Plumbing,
        watch: Watch,
        rules: FailureRules,
        job: WindowsJob | None,
    ) -> None:
        super().__init__()
        self._process, self._tree, self._plumbing = process, tree, plumbing
        self._watched, self._rules, self._job = watch, rules, job
        self._exited = threading.Event()
        # Its put may be called in a signal handler that interrupted another put, which a lock would not survive.
        self._inbox: queue.SimpleQueue[_Stop | None] = queue.SimpleQueue()
        for reader in plumbing.readers:
            reader.start()
        for name, work in (("exit", self._await_exit), ("acquisition", self._supervise)):
            threading.Thread(target=work, name=f"opticstream-{name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id of the main process."""
        return self._process.pid

    @property
    def tree(self) -> ProcessTree:
        """All processes of the acquisition, for the resource log."""
        return self._tree

    def request_stop(self, reason: str, grace_s: float = 10.0) -> None:
        """Ask for the end: interrupt, wait ``grace_s``, terminate, 3 s, kill; all processes, in ``grace_s`` + 20 s.

        May be called in a signal handler; another request with less patience shortens the wait.
        """
        self._inbox.put(_Stop(reason, max(0.0, grace_s)))

    def _await_exit(self) -> None:
        """Notice the end without reaping: until all is ended the process's number must not become another's."""
        if sys.platform == "win32":
            self._process.wait()
        else:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._exited.set()
        self._inbox.put(None)
        for reader in self._plumbing.readers:
            reader.finish()

    def _supervise(self) -> None:
        try:
            self._note_start()
            stop = self._watch()
            left = self._end(stop)
        except BaseException as error:
            _log.exception("Watching over the acquisition failed; it is ended")
            stop = _Stop(f"watching over it failed: {error!r}", 0)
            left = self._end(stop)
        result = None
        try:
            result = self._judge(stop, left)
        finally:
            self._settle(result)

    def _note_start(self) -> None:
        """Complete the record; this runs beside the acquisition, which need not wait for the disk."""
        file = self._plumbing.record_file
        if file is None:
            return
        try:
            self._plumbing.record.write(file)
        except OSError as error:
            _log.warning("%s: cannot be completed (%s); a later launch finds the acquisition by its mark", file, error)

    def _watch(self) -> _Stop | None:
        """Wait for the end, a request or a passed limit."""
        while True:
            try:
                stop = self._inbox.get(timeout=self._watched.interval_s)
                return None if self._exited.is_set() else stop  # it was faster than the request
            except queue.Empty:
                verdict = self._watched.look()
                if verdict and not self._exited.is_set():
                    _log.error("The acquisition is ended: %s", verdict.reason)
                    return _Stop(verdict.reason, _WATCHDOG_GRACE_S, verdict.watchdog)

    def _end(self, stop: _Stop | None) -> tuple[int, ...]:
        """End all processes; return those that remain."""
        if stop is not None and not self._exited.is_set():
            left = self._tree.end(self._await_grace, stop.grace_s)
        else:
            left = self._tree.members()
            if left:
                names = ", ".join(str(process.pid) for process in left)
                _log.warning("The acquisition has ended and left processes behind, which are ended: %s", names)
                left = self._tree.end(self._exited.wait, _LEFTOVER_S, gently=False)
        return tuple(process.pid for process in left)

    def _await_grace(self, timeout_s: float) -> None:
        """Wait for the end; another request with less patience shortens the wait."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and not self._exited.is_set():
            try:
                more = self._inbox.get(timeout=left)
            except queue.Empty:
                return
            if more is not None:
                deadline = min(deadline, time.monotonic() + more.grace_s)

    def _judge(self, stop: _Stop | None, left: tuple[int, ...]) -> EngineResult:
        stopped = datetime.now(UTC)
        # Its end is noticed by another thread, a moment after it; what cannot be ended is not waited for.
        seen = patiently(self._exited.wait, 0 if self._process.pid in left else _NOTICE_S)
        code = self._process.wait() if seen else None
        self._put_away()
        output, errors = (reader.sink for reader in self._plumbing.readers)
        outcome, reason = self._outcome(code, stop)
        return EngineResult(
            outcome=outcome,
            reason=reason,
            exit_code=code if code is None or code >= 0 else None,
            signal=signal_name(-code) if code is not None and code < 0 else None,
            started=self._plumbing.record.started,
            stopped=stopped,
            watchdog=stop.watchdog if stop else None,
            output_tail=output.tail(),
            error_tail=errors.tail(),
            output_bytes=output.bytes,
            error_bytes=errors.bytes,
            left_behind=left,
        )

    def _put_away(self) -> None:
        """Let everything written be read before anybody judges by it."""
        plumbing = self._plumbing
        patiently(lambda timeout_s: all(reader.join(timeout_s) for reader in plumbing.readers), _READERS_S)
        for reader in plumbing.readers:
            if not reader.join(0):
                _log.warning("The last of the acquisition's %s could not be read in time", reader.sink.stream)
        plumbing.teller.finish(_TELLER_S)
        plumbing.keeper.dismiss()
        for reader in plumbing.readers:
            reader.close()
        if self._job:
            self._job.close()
        if plumbing.record_file and self._exited.is_set():
            with suppress(OSError):
                plumbing.record_file.unlink(missing_ok=True)

    def _outcome(self, code: int | None, stop: _Stop | None) -> tuple[Outcome, str]:
        if stop is not None:
            return ("watchdog" if stop.watchdog else "stopped"), stop.reason
        if code is None:
            return "failed", "its end could not be seen"
        if code < 0:
            return "failed", f"ended by {signal_name(-code)}"
        if code:
            last = next((line.strip() for line in reversed(self._plumbing.readers[1].sink.tail()) if line.strip()), "")
            return "failed", f"exit code {code}: {last[:300]}" if last else f"exit code {code}"
        fault = self._rules.fault(*(reader.sink for reader in self._plumbing.readers)) or self._watched.too_short()
        return ("failed", fault) if fault else ("completed", "")
