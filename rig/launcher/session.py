"""Everything that is known of one session while it is launched."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from opticstream.core.handed_over import HandedOver
from opticstream.core.operator import Operator
from opticstream.core.settings import Settings
from opticstream.core.steps import Step, StepRunner
from opticstream.rig.end_state import EndState, ModuleOutcome
from opticstream.rig.engine import EngineResult
from opticstream.rig.launcher.interruption import Interruption
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.loaded import Loaded
from opticstream.rig.metadata_files import MetadataFiles
from opticstream.rig.parameters import LaunchParameters
from opticstream.rig.repository import RepositoryRecord
from opticstream.rig.session_folder import SessionFolder
from opticstream.rig.session_outcome import SessionOutcome
from opticstream.rig.sync import SyncResult

_log = logging.getLogger("opticstream.rig")
T = TypeVar("T")


@dataclass
class Session:
    """One session; the steps of its launch fill it in, one after the other."""

    settings: Settings
    operator: Operator
    steps: StepRunner
    interruption: Interruption
    open: ExitStack
    """What must be put away when the session is over: the log, the resource log, the folder's lock."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    loaded: Loaded | None = None
    parameters: LaunchParameters | None = None
    """Those in force: after the folder is there, with every placeholder expanded."""
    sync: SyncResult | None = None
    folder: SessionFolder | None = None
    repository: RepositoryRecord | None = None
    revision: HandedOver[dict[str, Any]] | None = None
    """Of our own code, once it is known."""
    result: EngineResult | None = None
    """Of the acquisition; None: there was none, or it has not ended."""
    acquired: bool | None = None
    """Whether the acquisition is well; True where there was none to run; None before it."""
    resumed_from: str | None = None
    resuming: bool = False
    """An earlier session's state is still to be taken up: what the launcher knows is not worth keeping yet."""

    modules: list[ModuleOutcome] = field(default_factory=list)
    experiment_data: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    durations: dict[str, float] = field(default_factory=dict)
    outcome: SessionOutcome | None = None
    """None while nothing has gone wrong and the session is not over."""
    reason: str = ""
    left: list[str] = field(default_factory=list)
    """Modules marked ``run: always`` that a detached process runs, since this one may be killed."""

    def step(self, name: str, work: Callable[[], T], *, retries: int = 0, retry_delay_s: float = 0) -> T:
        """Do one step, under its name, and note how long it took."""
        began = time.monotonic()
        try:
            return self.steps.run(Step(name, work, retries, retry_delay_s))
        finally:
            self.durations[name] = self.durations.get(name, 0) + time.monotonic() - began

    def warn(self, text: str) -> None:
        """Say a warning, and keep it for the end state."""
        _log.warning("%s", text)
        self.warnings.append(text)

    def end(self, outcome: SessionOutcome, reason: str) -> None:
        """Note how the session ended; the first word is the last."""
        if self.outcome is None:
            self.outcome, self.reason = outcome, " ".join(reason.split())

    @property
    def files(self) -> MetadataFiles:
        """Return the session's metadata files."""
        return MetadataFiles(self.needed_folder.metadata)

    @property
    def needed_folder(self) -> SessionFolder:
        """Return the folder, in steps that come after it was made."""
        assert self.folder is not None, "this step comes after the session folder"  # noqa: S101
        return self.folder

    @property
    def needed(self) -> LaunchParameters:
        """Return the parameters, in steps that come after they were read."""
        assert self.parameters is not None, "this step comes after the parameters"  # noqa: S101
        return self.parameters

    @property
    def needed_loaded(self) -> Loaded:
        """Return what was loaded, in steps that come after it."""
        assert self.loaded is not None, "this step comes after the parameters"  # noqa: S101
        return self.loaded

    @property
    def checkout(self) -> Path | None:
        """Return the root of the experiment's repository."""
        return self.repository.path if self.repository else None

    @contextmanager
    def said_once(self) -> Iterator[None]:
        """Turn what goes wrong in the body into a warning: it is not worth the session."""
        try:
            yield
        except Exception as error:
            self.warn(f"{type(error).__name__}: {error}")

    def end_state(self) -> EndState:
        """Return what ``end_state.json`` says now."""
        parameters, loaded, folder = self.needed, self.needed_loaded, self.needed_folder
        return EndState(
            session_uuid=folder.name,
            subject_id=parameters.subject_id or "",
            user_id=parameters.user_id or "",
            rig_id=loaded.rig.rig_id,
            launcher=parameters.launcher,
            session_folder=str(folder.path),
            start_time=self.started,
            stop_time=datetime.now(UTC),
            outcome=self.outcome or SessionOutcome.COMPLETED,
            reason=self.reason,
            process_returncode=self.result.exit_code if self.result else None,
            script_path=parameters.program_path,
            rig_config=dict(loaded.rig.values),
            experiment_data=dict(self.experiment_data),
            modules=tuple(self.modules),
            warnings=tuple(self.warnings),
            resumed_from=self.resumed_from,
            session_sync=self.sync.as_dict() if self.sync else None,
            **({"acquisition": self.result.as_json()} if self.result else {}),
            **({"left_to_finish": list(self.left)} if self.left else {}),
        )

    def report(self, error: BaseException | None = None) -> SessionReport:
        """Return what the launch tells."""
        return SessionReport(
            outcome=self.outcome or SessionOutcome.COMPLETED,
            reason=self.reason,
            session_name=self.folder.name if self.folder else None,
            session_folder=self.folder.path if self.folder else None,
            metadata_folder=self.folder.metadata if self.folder else None,
            modules=tuple(self.modules),
            durations=dict(self.durations),
            warnings=tuple(self.warnings),
            error=error,
            sync=self.sync.as_dict() if self.sync else None,
        )
