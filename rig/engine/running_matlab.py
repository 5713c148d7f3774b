"""A MATLAB entry point under way: connected to, called, resumed when the engine is lost, cancelled."""

import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opticstream.rig.engine.judgement import FailureRules
from opticstream.rig.engine.line_teller import LineTeller
from opticstream.rig.engine.matlab_call import FunctionCall, MatlabCall, Stage
from opticstream.rig.engine.matlab_connection import MatlabConnection
from opticstream.rig.engine.matlab_loss import LOST_TYPES, can_be_resumed, resume_stage
from opticstream.rig.engine.matlab_session import MatlabSession
from opticstream.rig.engine.output_sink import OutputSink
from opticstream.rig.engine.pending_result import PendingResult
from opticstream.rig.engine.result import EngineResult, Outcome
from opticstream.rig.engine.text_stream import TextStream
from opticstream.rig.engine.watch import Watch

_log = logging.getLogger("opticstream.rig")
_LOOK_S = 0.1
_TELLER_S = 2.0


class _Stopped(BaseException):
    """Raised inside, to leave whatever is waited for; no error, so that nothing on the way takes it for one."""

    def __init__(self, reason: str, grace_s: float, watchdog: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.grace_s, self.watchdog = reason, grace_s, watchdog


class _NotFound(Exception):
    """Raised inside when no engine of that name appeared in time."""


@dataclass
class _End:
    outcome: Outcome
    reason: str
    watchdog: str | None = None


class RunningMatlab(PendingResult):
    """The call between its start and its result; made by `MatlabEngine.start`."""

    def __init__(
        self,
        session: MatlabSession,
        call: MatlabCall,
        connection: MatlabConnection,
        sinks: tuple[OutputSink, OutputSink],
        teller: LineTeller,
        watch: Watch,
        rules: FailureRules,
    ) -> None:
        super().__init__()
        self._session, self._call, self._connection = session, call, connection
        self._sinks, self._teller, self._watched, self._rules = sinks, teller, watch, rules
        self._streams = TextStream(sinks[0]), TextStream(sinks[1])
        self._started = datetime.now(UTC)
        self._attempt = 1
        self._pid: int | None = None
        self._future: Any = None
        self._inbox: queue.SimpleQueue[_Stopped] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="opticstream-matlab", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """MATLAB's process, once it is known."""
        return self._pid

    @property
    def attempts(self) -> int:
        """How often the entry point was called, or is about to be."""
        return self._attempt

    def request_stop(self, reason: str, grace_s: float = 10.0) -> None:
        """Ask MATLAB to cancel; it has the connection's ``cancel_timeout_s`` to acknowledge.

        May be called in a signal handler; another request with less patience shortens the wait.
        """
        self._inbox.put(_Stopped(reason, max(0.0, grace_s)))

    def _run(self) -> None:
        end = _End("failed", "the launcher's own fault; see the log")
        try:
            end = self._attempts()
        except _Stopped as stop:
            end = _End("watchdog" if stop.watchdog else "stopped", self._cancel(stop), stop.watchdog)
        except _NotFound as error:
            end = _End("failed", str(error))
        except Exception as error:
            _log.exception("The MATLAB acquisition failed")
            end = _End("failed", _words(error))
        finally:
            with suppress(Exception):
                self._session.leave(alive=self._connection.keep_engine_alive)
            self._settle(self._put_away(end))

    def _attempts(self) -> _End:
        """Call the entry point; when MATLAB is lost on the way, wait for it and call again, so often and no more."""
        stage: Stage | None = None
        while True:
            try:
                self._connect(stage)
                self._enter(stage)
            except (_Stopped, _NotFound):
                raise
            except Exception as error:
                text = _words(error)
                if not (self._call.enable_resume and can_be_resumed(text, error)):
                    return _End("failed", text)
                if self._attempt > self._connection.max_resumes:
                    return _End("failed", f"lost {self._attempt} times, the last time: {text}")
                _log.warning("MATLAB was lost (%s); waiting for it to resume", text)
                self._session.leave(alive=True)
                self._future = None
                stage = resume_stage(text)
                self._attempt += 1
                self._pause(max(1.0, self._connection.poll_interval_s))
                continue
            for stream in self._streams:
                stream.finish()
            fault = self._rules.fault(*self._sinks) or self._watched.too_short()
            return _End("failed", fault) if fault else _End("completed", "")

    def _connect(self, stage: Stage | None) -> None:
        """Try until the engine is there, and the launcher window if the entry point needs one.

        Raises:
            _NotFound: it did not appear in time.
        """
        timeout = self._connection.connect_timeout_s
        deadline = time.monotonic() + timeout if timeout else None
        waiting = False
        while True:
            try:
                self._session.connected(self._outcome(self._session.connect(), deadline))
                break
            except self._session.engine_error as error:
                said = _words(error)
            except TimeoutError:
                said = "the connection was not made in time"
            if deadline is not None and time.monotonic() >= deadline:
                names = ", ".join(self._session.names()) or "none"
                raise _NotFound(
                    f"no MATLAB shares an engine {self._session.name!r} after {timeout:g} s (shared: {names}; {said}); "
                    f"run matlab.engine.shareEngine('{self._session.name}') in MATLAB"
                )
            if not waiting:
                _log.info("Waiting for a MATLAB that shares the engine %r", self._session.name)
            waiting = True
            self._pause(max(0.1, self._connection.poll_interval_s))
        self._greet(stage, deadline)

    def _greet(self, stage: Stage | None, deadline: float | None) -> None:
        """Make the calls that come before the entry point; the first asks for the window, which may open later."""
        register, *others = self._call.prelude(self._attempt, stage) or (None,)
        while register is not None:
            try:
                answer = self._outcome(self._session.call(register))
            except Exception as error:
                text = _words(error)
                if isinstance(error, self._session.engine_error) or type(error).__name__ in LOST_TYPES:
                    raise
                if deadline is not None and time.monotonic() >= deadline:
                    raise _NotFound(f"the launcher window is not open in MATLAB: {text}") from None
                _log.warning("Waiting for the launcher window in MATLAB: %s", text)
                self._pause(max(1.0, self._connection.poll_interval_s))
                continue
            if isinstance(answer, dict):
                _log.info("MATLAB: %s", ", ".join(f"{name} {value}" for name, value in answer.items()))
            break
        for call in others:
            self._outcome(self._session.call(call))

    def _enter(self, stage: Stage | None) -> None:
        if self._pid is None:
            with suppress(Exception):  # undocumented and not needed: it only names the process
                self._pid = int(self._outcome(self._session.call(FunctionCall("feature", ("getpid",), 1))))
        output, errors = self._streams
        self._future = self._session.call(self._call.main(stage), stdout=output, stderr=errors)
        self._outcome(self._future, watched=True)

    def _outcome(self, future: Any, deadline: float | None = None, *, watched: bool = False) -> Any:
        """Wait for a future without ever being deaf.

        Raises:
            _Stopped: somebody asked, or a limit was passed.
            TimeoutError: the deadline, monotonic seconds, has come.
        """
        while not future.done():
            self._pause(_LOOK_S)
            verdict = self._watched.look() if watched and self._watched.interval_s else None
            if verdict:
                _log.error("The acquisition is ended: %s", verdict.reason)
                raise _Stopped(verdict.reason, self._connection.cancel_timeout_s, verdict.watchdog)
            if deadline is not None and time.monotonic() >= deadline and not future.done():
                with suppress(Exception):
                    future.cancel()
                raise TimeoutError
        return future.result()

    def _pause(self, seconds: float) -> None:
        try:
            raise self._inbox.get(timeout=seconds)
        except queue.Empty:
            return

    def _cancel(self, stop: _Stopped) -> str:
        """Cancel what runs; return the reason, with a word on MATLAB if it did not acknowledge."""
        if self._future is None:
            return stop.reason
        patience = max(1.0, self._connection.cancel_timeout_s)
        deadline = time.monotonic() + (patience if stop.grace_s else 1.0)
        try:
            self._future.cancel()
            while not self._future.done():
                left = deadline - time.monotonic()
                if left <= 0:
                    _log.warning("MATLAB did not acknowledge the cancellation; its function may still run")
                    return f"{stop.reason}; MATLAB did not acknowledge within {patience:g} s"
                with suppress(queue.Empty):
                    more = self._inbox.get(timeout=min(_LOOK_S, left))
                    deadline = min(deadline, time.monotonic() + more.grace_s)
        except Exception as error:  # the engine is gone: nothing runs there any more
            _log.warning("MATLAB could not be asked to cancel: %s", _words(error))
        return stop.reason

    def _put_away(self, end: _End) -> EngineResult:
        for stream in self._streams:
            stream.finish()
        self._teller.finish(_TELLER_S)
        for sink in self._sinks:
            sink.close()
        output, errors = self._sinks
        return EngineResult(
            outcome=end.outcome,
            reason=end.reason,
            exit_code=None,
            signal=None,
            started=self._started,
            stopped=datetime.now(UTC),
            watchdog=end.watchdog,
            output_tail=output.tail(),
            error_tail=errors.tail(),
            output_bytes=output.bytes,
            error_bytes=errors.bytes,
            attempts=self._attempt,
        )


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
