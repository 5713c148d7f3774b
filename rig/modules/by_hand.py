"""A module by hand, on the folder of a session that is there already."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import read_failed
from opticstream.core.operator import Operator
from opticstream.core.settings import Settings
from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.json_object import read_json_object
from opticstream.rig.metadata_files import END_STATE, PROCESSED, REVISIONS
from opticstream.rig.modules.contract import ModuleContext
from opticstream.rig.overrides import apply_overrides
from opticstream.rig.pipeline_entry import Stage
from opticstream.rig.session_folder import METADATA


def session_context(
    folder: Path,
    stage: Stage,
    name: str,
    *,
    operator: Operator,
    settings: Settings,
    overrides: Mapping[str, Any] | None = None,
) -> ModuleContext:
    """Return what a module is given when it is run again on a session's folder; nothing is written.

    Args:
        folder: the session's folder, with ``launcher_metadata/processed_parameters.json`` in it.
        stage: before or after the acquisition.
        name: the module's.
        operator: who is asked.
        settings: of this process.
        overrides: values over the session's parameters, by key; dots lead into objects.

    Raises:
        BadInput: it is no session's folder, or a file in it or an override cannot be used.
    """
    metadata = folder.expanduser().absolute() / METADATA
    if not metadata.is_dir():
        raise BadInput(str(folder), found=f"no {METADATA} in it", expected="a session's folder")
    values = _read(metadata / PROCESSED)
    problems: list[Problem] = []
    apply_overrides(values, overrides or {}, problems)
    if problems:
        raise BadParameters("--set", problems)
    values["output_session_folder"] = str(metadata.parent)
    values.setdefault("session_uuid", metadata.parent.name)
    end = _read(metadata / END_STATE) if (metadata / END_STATE).is_file() else {}
    data = end.get("experiment_data")
    return ModuleContext(
        stage=stage,
        name=name,
        parameters=values,
        session_folder=metadata.parent,
        metadata_folder=metadata,
        param_file=metadata / PROCESSED,
        session_name=str(values["session_uuid"]),
        subject_id=str(values.get("subject_id") or end.get("subject_id") or ""),
        user_id=str(values.get("user_id") or end.get("user_id") or ""),
        rig_id=str(values.get("rig_id") or end.get("rig_id") or ""),
        operator=operator,
        settings=settings,
        start_time=_time(end, "start_time") or datetime.fromtimestamp((metadata / PROCESSED).stat().st_mtime, UTC),
        stop_time=_time(end, "stop_time"),
        outcome=str(end["outcome"]) if end.get("outcome") else None,
        experiment_data=data if isinstance(data, dict) else {},
        repository=_checkout(metadata / REVISIONS),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path.read_bytes(), str(path))
    except OSError as error:
        raise read_failed(path, error) from None


def _time(end: Mapping[str, Any], key: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(end.get(key)))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _checkout(path: Path) -> Path | None:
    """Return the checkout the session ran from, if it is still there."""
    try:
        records = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadFile(str(path), found=str(error), expected="JSON") from None
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict) and record.get("name") == "workflow_repository" and record.get("path"):
            found = Path(str(record["path"]))
            return found if found.is_dir() else None
    return None
