"""Parameters that were read and joined, and what was noticed on the way."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.parameter_checks import problems_of
from opticstream.rig.parameters import LaunchParameters
from opticstream.rig.placeholders import Placeholders
from opticstream.rig.rig_config import RigConfig

Layer = Literal["rig", "file", "set", "answer"]
LATER = frozenset({"session_uuid", "output_session_folder"})
"""Placeholders that only a session's folder gives a meaning."""


@dataclass(frozen=True)
class Loaded:
    """One launch's parameters, before its session has a name and a folder."""

    parameters: LaunchParameters
    """Every placeholder is expanded but those that need the session or a required key nobody gave."""
    template: Mapping[str, Any]
    """The joined layers under documented names, placeholders and all."""
    ignored: frozenset[str]
    """Parameters that cannot be used, and that this launch does not read."""
    raw: bytes
    """The parameter file, byte for byte; or what the run form gave, as JSON, without secrets."""
    file: Path | None
    rig: RigConfig
    sources: Mapping[str, Layer]
    """Which layer a key comes from; dotted keys are those ``--set`` changed inside."""
    spelled: Mapping[str, str]
    """Other spellings that the files used → documented name."""
    warnings: tuple[str, ...]
    unanswered: tuple[str, ...]
    """Required keys that nobody gave: to be asked for, and given as ``answers`` to another load."""

    def require_answers(self) -> None:
        """Return if no required key is missing.

        Raises:
            BadParameters: naming each that is.
        """
        if self.unanswered:
            where = str(self.file) if self.file else "parameters"
            raise BadParameters(
                where, [Problem(key, "nothing", "a value: no session starts without") for key in self.unanswered]
            )

    def resolve(self, session_name: str, session_folder: Path) -> tuple[LaunchParameters, tuple[str, ...]]:
        """Return the session's parameters, every placeholder expanded, and a warning for each that stays.

        Args:
            session_name: the session's name, ``{session_uuid}``.
            session_folder: its folder, ``{output_session_folder}`` and ``{session_folder}``.

        Raises:
            BadParameters: a key that the session's name fills in cannot be used, or required keys are missing.
        """
        self.require_answers()
        session = {"session_uuid": session_name, "output_session_folder": str(session_folder)}
        expander = Placeholders(
            self.template, self.rig.values, session=session, environment=os.environ, windows=os.name == "nt"
        )
        values = {key: value for key, value in expander.expand_all().items() if key not in self.ignored} | session
        problems = list(expander.problems)
        try:
            parameters = LaunchParameters.model_validate(values)
        except ValidationError as error:
            problems += problems_of(error, values)
        if problems:
            raise BadParameters(str(self.file) if self.file else "parameters", problems)
        return parameters, expander.warnings

    def document(self, parameters: LaunchParameters) -> dict[str, Any]:
        """Return the content of ``processed_parameters.json``: what is given, also under the files' own spellings."""
        values = parameters.given()
        return values | {name: values[key] for name, key in self.spelled.items() if key in values}

    def reread(self, document: Mapping[str, Any], before: LaunchParameters) -> LaunchParameters:
        """Return the parameters after a module rewrote ``processed_parameters.json``; its texts are final.

        Args:
            document: what it reads now.
            before: the parameters it was written from. A spelling that changed wins over one that did not.

        Raises:
            BadParameters: a key cannot be used any more.
        """
        written = self.document(before)
        values = {key: value for key, value in document.items() if key not in self.spelled}
        for name, key in self.spelled.items():
            if name in document and document[name] != written.get(name) and document.get(key) == written.get(key):
                values[key] = document[name]
        try:
            after = LaunchParameters.model_validate(values)
        except ValidationError as error:
            raise BadParameters("processed_parameters.json", problems_of(error, values)) from None
        return after.model_copy(update={"session_sync_secret": before.session_sync_secret})
