"""Writes ``session.json``: who, what, when, with which software.

With ``aind-data-schema`` installed (the extra ``aind``; version 1) it is a ``Session`` of that schema, checked by it.
Without, it holds the documented keys: ``subject_id``, ``user_id``, ``experimenter_full_name``, ``rig_id``,
``session_start_time``, ``session_end_time``, ``notes``, and the session's parameters and software. All times are UTC.

A ``session.json`` that something else wrote stays, unless ``force`` is set.
"""

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from opticstream.core.validation import problems
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleParameters, ModuleResult
from opticstream.rig.parameters import SECRETS
from opticstream.rig.plain_json import plain
from opticstream.rig.session_json import SESSION, SessionFacts, minimal_session, write_session_json

_REVISIONS = "git_revisions.json"


class SessionCreatorParameters(ModuleParameters):
    """Parameters of ``session_creator``."""

    ALIASES: ClassVar[Mapping[str, str]] = {"experimenter_name": "experimenter_full_name"}

    force: bool = Field(False, description="Replace a `session.json` that something else wrote.")
    experimenter_full_name: str | list[str] | None = Field(None, description="Who did it; default: `user_id`.")
    session_type: str = Field("experiment", description="Kind of session, for the schema.")
    mouse_platform_name: str = Field("unknown", description="Name of the platform the animal is on, for the schema.")
    active_mouse_platform: bool = Field(False, description="Whether the platform moves by itself, for the schema.")
    iacuc_protocol: str | None = Field(None, description="Protocol number of the animal committee, for the schema.")
    protocol_id: int | str | list[int | str] | None = Field(None, description="Protocols of the session.")
    session_notes: str | None = Field(None, description="Notes; default: those of the experiment notes modules.")


PARAMETERS = SessionCreatorParameters


def run(context: ModuleContext) -> ModuleResult:
    """Write the session's ``session.json``.

    Raises:
        ModuleFailed: the schema refuses what is known about the session.
        WriteFailed: the disk refuses.
    """
    parameters = context.read(SessionCreatorParameters)
    facts = _facts(context, parameters)
    document, kind = _by_schema(context, facts, parameters), "schema"
    if document is None:
        document, kind = minimal_session(facts) | {"experimenter_full_name": _names(facts, parameters)}, "minimal"
    if not write_session_json(context.session_folder, document, force=parameters.force):
        return ModuleResult(message=f"{SESSION} was there already and stays (force: true replaces it)")
    words = {"schema": "by aind-data-schema", "minimal": "minimal; aind-data-schema is not installed"}
    return ModuleResult(message=f"{SESSION} written ({words[kind]})", experiment_data={"session_json": kind})


def _facts(context: ModuleContext, parameters: SessionCreatorParameters) -> SessionFacts:
    notes = parameters.session_notes or context.experiment_data.get("experiment_notes") or ""
    return SessionFacts(
        session_name=context.session_name,
        subject_id=context.subject_id,
        user_id=context.user_id,
        rig_id=context.rig_id,
        start_time=context.start_time,
        stop_time=context.stop_time or datetime.now(UTC),
        outcome=context.outcome or "",
        notes=str(notes),
        parameters={key: value for key, value in context.parameters.items() if key not in SECRETS},
        software=tuple(_software(context)),
    )


def _names(facts: SessionFacts, parameters: SessionCreatorParameters) -> list[str]:
    given = parameters.experimenter_full_name or facts.user_id
    return [given] if isinstance(given, str) else given


def _software(context: ModuleContext) -> list[dict[str, Any]]:
    """Return what ran, from the revisions that the launcher wrote down; at least the launcher itself."""
    found = [{"name": "opticstream", "version": version("opticstream")}]
    try:
        records = json.loads((context.metadata_folder / _REVISIONS).read_bytes())
        for record in records:
            name, commit = str(record["name"]), record.get("commit")
            dirty = " with changes" if record.get("dirty") else ""
            if name == "opticstream":
                found[0] |= {"commit": f"{commit}{dirty}"} if commit else {}
            elif commit:
                url = record.get("repository_url")
                found.append({"name": name, "version": f"{commit}{dirty}"} | ({"url": str(url)} if url else {}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        context.log.info("%s cannot be read; the software's revisions are not in %s", _REVISIONS, SESSION)
    return found


def _weights(context: ModuleContext) -> dict[str, str]:
    """Return the last weight of each stage from the weight modules' table, grams as text."""
    try:
        with (context.session_folder / "mouse_weight.csv").open(encoding="utf-8", newline="") as file:
            rows = [(row["stage"], row["weight_g"]) for row in csv.DictReader(file)]
            return {stage: f"{float(weight):g}" for stage, weight in rows}
    except (OSError, KeyError, TypeError, ValueError):
        return {}


def _by_schema(
    context: ModuleContext, facts: SessionFacts, parameters: SessionCreatorParameters
) -> dict[str, Any] | None:
    """Return a session as aind-data-schema writes it; None without it, or with a version that has another model."""
    try:
        from aind_data_schema.core.session import Session
    except ImportError:
        return None
    weights = _weights(context)
    protocols = parameters.protocol_id if isinstance(parameters.protocol_id, list) else [parameters.protocol_id]
    software = [
        {key: item[key] for key in ("name", "version", "url") if key in item} for item in plain(list(facts.software))
    ]
    software[0]["parameters"] = {
        "session_uuid": facts.session_name,
        "outcome": facts.outcome,
        "launch_parameters": json.dumps(plain(dict(facts.parameters)), ensure_ascii=False),
    }
    values = {
        "experimenter_full_name": _names(facts, parameters),
        "session_start_time": facts.start,
        "session_end_time": facts.end,
        "session_type": parameters.session_type,
        "iacuc_protocol": parameters.iacuc_protocol,
        "protocol_id": [str(item) for item in protocols if item is not None],
        "rig_id": facts.rig_id,
        "subject_id": facts.subject_id,
        "animal_weight_prior": weights.get("pre"),
        "animal_weight_post": weights.get("post"),
        "data_streams": [
            {
                "stream_start_time": facts.start,
                "stream_end_time": facts.end,
                "stream_modalities": [],
                "software": software,
            }
        ],
        "mouse_platform_name": parameters.mouse_platform_name,
        "active_mouse_platform": parameters.active_mouse_platform,
        "notes": facts.notes or None,
    }
    try:
        document: dict[str, Any] = json.loads(Session.model_validate(values).model_dump_json())
    except ValidationError as error:
        raise ModuleFailed(SESSION, found=problems(error), expected="what aind-data-schema takes") from None
    return document
