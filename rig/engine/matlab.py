"""Calls an entry point in a MATLAB that runs and shares its engine."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.rig.engine.acquisition_record import METADATA_FOLDER
from opticstream.rig.engine.judgement import FailureRules
from opticstream.rig.engine.line_teller import LineTeller
from opticstream.rig.engine.matlab_call import MatlabCall
from opticstream.rig.engine.matlab_connection import MatlabConnection
from opticstream.rig.engine.matlab_session import MatlabSession
from opticstream.rig.engine.output_log import OutputLog
from opticstream.rig.engine.output_sink import OutputSink
from opticstream.rig.engine.protocol import LineCallback, StreamName
from opticstream.rig.engine.running_matlab import RunningMatlab
from opticstream.rig.engine.watch import Watch
from opticstream.rig.engine.watchdogs import Watchdogs


@dataclass(frozen=True)
class MatlabEngine:
    """Calls an entry point through the MATLAB Engine for Python (extra ``matlab``).

    MATLAB is not the launcher's child: it outlives it, and its function runs on; no record is written, and no orphan
    found. What it prints goes the way of a process's output.
    """

    call: MatlabCall
    connection: MatlabConnection = field(default_factory=MatlabConnection)
    session_folder: Path | None = None
    """Where the logs go, under ``launcher_metadata``; None: nowhere."""

    on_line: LineCallback | None = None
    watchdogs: Watchdogs = field(default_factory=Watchdogs)
    """The memory limit does not hold here: MATLAB's memory is not the acquisition's alone."""

    rules: FailureRules = field(default_factory=FailureRules)
    log_limit_bytes: int = 1 << 28
    load: Callable[[], Any] | None = None
    """Gives the module ``matlab.engine``; None: import it."""

    metadata_folder: Path | None = None
    """Of this launcher, where several share the session's folder; None: ``launcher_metadata``."""

    def start(self) -> RunningMatlab:
        """Begin to connect and return; whether MATLAB is found is in the result.

        Raises:
            BadInput: the MATLAB Engine for Python is not installed here, or finds no MATLAB.
        """
        module = (self.load or load_matlab_engine)()
        teller = LineTeller(self.on_line)
        sinks = self._sink("output", teller), self._sink("error", teller)
        session = MatlabSession(module, self.connection.engine_name)
        return RunningMatlab(
            session, self.call, self.connection, sinks, teller, Watch(self.watchdogs, sinks), self.rules
        )

    def _sink(self, stream: StreamName, teller: LineTeller) -> OutputSink:
        name = "acquisition_stdout.log" if stream == "output" else "acquisition_stderr.log"
        metadata = self.metadata_folder or (self.session_folder / METADATA_FOLDER if self.session_folder else None)
        log = OutputLog(metadata / name, self.log_limit_bytes) if metadata else None
        return OutputSink(stream, log, teller, self.rules.patterns)


def load_matlab_engine() -> Any:
    """Return the module ``matlab.engine``.

    Raises:
        BadInput: it is not installed, or cannot be loaded beside the MATLAB that is here.
    """
    try:
        return importlib.import_module("matlab.engine")
    except ImportError as error:
        raise BadInput(
            "launcher matlab",
            found=f"no MATLAB Engine for Python ({error})",
            expected="the package matlabengine, in the version of the installed MATLAB",
            action="Run: pip install 'opticstream[matlab]'; without a licence set matlab_backend to octave.",
        ) from None
    except OSError as error:  # the package is there, its MATLAB is not
        raise BadInput(
            "launcher matlab",
            found=f"a MATLAB Engine for Python that cannot be loaded ({' '.join(str(error).split())})",
            expected="an installed MATLAB of the same release",
        ) from None
