"""What a module of a pipeline is given, and what it gives back."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from opticstream.core.errors import BadInput, OpticstreamError
from opticstream.core.operator import Operator, Question, Value
from opticstream.core.settings import Settings
from opticstream.core.validation import problems
from opticstream.rig.pipeline_entry import Stage

P = TypeVar("P", bound="ModuleParameters")


class ModuleFailed(OpticstreamError):
    """Raised by a module that could not do its work; any other exception says the same less kindly."""


class ModuleParameters(BaseModel):
    """Base of what a module declares as its parameters; each field has a description, from which the docs are made."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    ALIASES: ClassVar[Mapping[str, str]] = {}
    """Other spellings of real files → field."""


@dataclass(frozen=True)
class ModuleResult:
    """What a module returns when 0 says too little."""

    success: bool = True
    message: str = ""
    """One sentence for the session's table."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Parameters for all later steps; they are put into ``processed_parameters.json``."""

    experiment_data: Mapping[str, Any] = field(default_factory=dict)
    """Goes to ``end_state.json``, under ``experiment_data``."""


@dataclass(frozen=True)
class ModuleContext:
    """What a module is given: ``def run(context: ModuleContext) -> ModuleResult | int | None``."""

    stage: Stage
    name: str
    parameters: Mapping[str, Any]
    """The session's parameters, under documented names and the files' own spellings, and over them those of this
    step alone; with ``output_session_folder`` and ``session_uuid``. Every placeholder is expanded."""

    session_folder: Path
    metadata_folder: Path
    """``launcher_metadata`` of the session; what the launcher itself writes is in it."""

    param_file: Path
    """``processed_parameters.json``; may be rewritten, the session goes on with what is in it afterwards."""

    session_name: str
    subject_id: str
    user_id: str
    rig_id: str
    operator: Operator
    settings: Settings
    start_time: datetime
    """Of the session, UTC."""

    stop_time: datetime | None = None
    """Of the acquisition, UTC; None before it."""

    outcome: str | None = None
    """How the acquisition ended: completed, failed, aborted, interrupted; None before it."""

    experiment_data: Mapping[str, Any] = field(default_factory=dict)
    """What earlier modules gave for ``end_state.json``."""

    repository: Path | None = None
    """Checkout of the experiment's code."""

    timeout_s: float | None = None
    """How long the operator is waited for, for each question; None: for ever."""

    @property
    def log(self) -> logging.Logger:
        """Return the module's logger; its words are in the session's log and on the task run's page."""
        return logging.getLogger(f"opticstream.modules.{self.name}")

    def read(self, model: type[P]) -> P:
        """Return this module's parameters, checked.

        Raises:
            BadInput: naming every one that is missing or wrong.
        """
        spelled = {model.ALIASES.get(key, key): value for key, value in self.parameters.items() if value is not None}
        spelled |= {key: self.parameters[key] for key in model.model_fields if self.parameters.get(key) is not None}
        try:
            return model.model_validate({key: value for key, value in spelled.items() if key in model.model_fields})
        except ValidationError as error:
            raise BadInput(f"parameters of module {self.name}", found=problems(error)) from None

    def ask(self, question: Question) -> Value:
        """Return the parameter of the question's key where there is one, else what the operator answers.

        So every question of a module can be answered beforehand: in the parameter file, or by ``--set``.

        Raises:
            BadInput: the parameter is no answer to it.
            NoAnswer: nobody answered.
        """
        given = self.parameters.get(question.key)
        return self.ask_operator(question) if given is None else question.value(given)

    def ask_operator(self, question: Question) -> Value:
        """Ask the operator, whatever the parameters say.

        Raises:
            NoAnswer: nobody answered.
        """
        return self.operator.ask(question, self.timeout_s)

    def path(self, name: str) -> Path:
        """Return a file of the session folder; an absolute name stays what it is.

        Raises:
            BadInput: a relative name that leads out of the session folder.
        """
        path = Path(name).expanduser()
        if path.is_absolute():
            return path
        found = (self.session_folder / path).resolve()
        if not found.is_relative_to(self.session_folder.resolve()):
            raise BadInput(
                f"parameters of module {self.name}", found=repr(name), expected="a name inside the session folder"
            )
        return found
