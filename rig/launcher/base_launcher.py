"""The launcher that labs extend: it says what the acquisition is, the rest of a launch is done around it."""

import logging
import platform
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from opticstream.rig.engine import EngineResult, RunningEngine
from opticstream.rig.json_object import read_json_object
from opticstream.rig.launcher.acquisition import line_logger
from opticstream.rig.launcher.engines import build_engine, stop_grace_s
from opticstream.rig.launcher.opening import sync_settings, synchronize
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.launcher.resume import resume
from opticstream.rig.launcher.session import Session
from opticstream.rig.session_state import SessionStateMixin

_log = logging.getLogger("opticstream.rig")


class BaseLauncher(SessionStateMixin):
    """Launches a session of whatever its parameters say; subclass it for an acquisition of another kind.

    Making one touches nothing: no file is read and nobody is asked before :meth:`run`. A subclass overrides
    :meth:`_create_process` (or :meth:`create_process`), and may keep state in public attributes, which are saved at
    the end of a good session and restored by ``load_session_state``.

    Args:
        param_file: the parameter file; None: everything comes from the rig's configuration and the operator.
        rig_config_path: the rig's TOML file; None: the usual place.
    """

    kind: ClassVar[str | None] = None
    """The launcher that this class is, whatever the parameters say; None: the one they say."""

    def __init__(self, param_file: str | Path | None = None, rig_config_path: str | Path | None = None) -> None:
        self.param_file = Path(param_file) if param_file is not None else None
        self.rig_config_path = Path(rig_config_path) if rig_config_path is not None else None
        self.params: dict[str, Any] = {}
        """The session's parameters, every placeholder expanded; empty before it has a folder."""
        self.rig_config: dict[str, Any] = {}
        self.subject_id: str = ""
        self.user_id: str = ""
        self.session_uuid: str | None = None
        """The session's name."""
        self.output_session_folder: str | None = None
        self.process: RunningEngine | None = None
        """The acquisition, from its start on."""
        self.stdout_data: list[str] = []
        """Last lines of its standard output, after its end."""
        self.stderr_data: list[str] = []
        self.start_time: datetime | None = None
        """Of the session, UTC."""
        self.stop_time: datetime | None = None
        """Of the acquisition, UTC."""
        self.platform_info: dict[str, Any] = {}
        self.original_input_params: dict[str, Any] = {}
        """The parameter file as it was given."""
        self.original_param_file: str | None = None
        self._session: Session | None = None
        self._result: EngineResult | None = None

    # --- running

    def run(self, *, operator: str = "auto", prefect: bool = True) -> bool:
        """Launch a session and return whether all went well.

        Args:
            operator: who is asked: auto, terminal, prefect, headless, or an answers file.
            prefect: record it in Prefect, as a run of the flow ``launch``; it is run without when no API is there.
        """
        return self.launch(operator=operator, prefect=prefect).succeeded

    def launch(
        self,
        *,
        overrides: dict[str, Any] | None = None,
        operator: str = "auto",
        prefect: bool = True,
        resume_from: str | Path | None = None,
    ) -> SessionReport:
        """Launch a session and return how it ended; see :meth:`run`.

        Args:
            overrides: values by key, over those of the file.
            operator: who is asked.
            prefect: record it in Prefect.
            resume_from: folder or name of the session whose saved state this one goes on with.
        """
        from opticstream.rig.launcher.run import run_launcher  # it needs this class

        return run_launcher(self, overrides=overrides, operator=operator, prefect=prefect, resume_from=resume_from)

    @classmethod
    def run_from_params(cls, param_file: str | Path, log_level: str | int | None = None) -> bool:
        """Launch a session of this class from a parameter file; return whether all went well.

        Args:
            param_file: the parameter file.
            log_level: least level that is shown, as a name or number; None: what the parameters say.
        """
        if log_level is not None:
            logging.getLogger("opticstream").setLevel(log_level)
        return cls(param_file).run()

    # --- what a subclass may say otherwise

    def create_process(self) -> Any:
        """Return what the acquisition is: an engine, a started process such as ``subprocess.Popen``, or None."""
        return self._create_process()

    def _create_process(self) -> Any:
        """Return the engine that the parameters ask for."""
        return build_engine(self.session, line_logger())

    def check_experiment_success(self) -> bool:
        """Return whether the acquisition, which has ended, is well."""
        return self._result is not None and self._result.succeeded

    def _maybe_synchronize_session_name(self) -> str | None:
        """Agree on the session's name with other rigs where the parameters say so; None: nobody is to be asked."""
        settings = sync_settings(self.session)
        if settings is None:
            return None
        return self.session.step("session sync", lambda: synchronize(self.session, settings))

    def stop(self, reason: str = "stopped by the launcher") -> None:
        """End the session from another thread, as Ctrl+C does."""
        self.session.interruption.request(reason)

    # --- between launcher and session

    @property
    def session(self) -> Session:
        """Return the session that is being launched.

        Raises:
            RuntimeError: none is.
        """
        if self._session is None:
            raise RuntimeError(f"{type(self).__name__} has no session: call run() first")
        return self._session

    @property
    def stop_grace_s(self) -> float:
        """Return how long the acquisition has to end by itself, seconds."""
        return stop_grace_s(self.session.needed)

    def begin(self, session: Session) -> None:
        """Take note of the session that is being launched; called before anything of it is written."""
        self._session = session
        self.process, self._result, self.stop_time = None, None, None
        self.stdout_data, self.stderr_data = [], []

    def adopt(self, session: Session, resume_from: str | Path | None) -> None:
        """Take over parameters, names and folder, and the state of an earlier session; called before any module."""
        loaded, parameters = session.needed_loaded, session.needed
        self.params = loaded.document(parameters)
        self.rig_config = dict(loaded.rig.values)
        self.subject_id, self.user_id = parameters.subject_id or "", parameters.user_id or ""
        self.session_uuid = session.needed_folder.name
        self.output_session_folder = str(session.needed_folder.path)
        self.start_time = session.started
        self.original_param_file = str(loaded.file) if loaded.file else None
        self.original_input_params = dict(read_json_object(loaded.raw, "parameters"))
        self.platform_info = {
            "python": platform.python_version(),
            "os": (platform.system(), platform.release(), platform.version()),
            "hardware": (platform.processor(), platform.machine()),
            "computer_name": platform.node(),
        }
        if resume_from is not None:
            session.resumed_from = resume(self, resume_from, session.settings, loaded.rig.rig_id)

    def take(self, result: EngineResult) -> None:
        """Take over how the acquisition ended."""
        self._result, self.stop_time = result, result.stopped
        self.stdout_data, self.stderr_data = list(result.output_tail), list(result.error_tail)

    def public_state(self) -> dict[str, object]:
        """Return the public attributes, for ``debug_state.json``."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}
