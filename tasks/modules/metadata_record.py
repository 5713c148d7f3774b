"""Records of the metadata service, as files of the session."""

import json
from pathlib import Path
from typing import Any

from opticstream.core.files import atomic_file, writing
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleResult
from opticstream.tasks.modules.metadata_parameters import RecordParameters
from opticstream.tasks.modules.metadata_service import Answer, saying, service_of


def fetch_record(
    context: ModuleContext,
    parameters: RecordParameters,
    *,
    kind: str,
    wanted: str,
    name: str,
    timeout_s: float | None = None,
) -> ModuleResult:
    """Get one record and write it into the session.

    One that the service calls invalid (HTTP 400) is kept as ``<name>.invalid.json``, so that nobody takes it for valid.

    Args:
        context: of the module.
        parameters: how the service is reached.
        kind: of record, as the service's path has it.
        wanted: the record's id.
        name: the file, relative to the session folder.
        timeout_s: in place of the parameter's.

    Raises:
        ServiceFailed: there is no such record, or no answer.
        ModuleFailed: the record is empty, or invalid where it must be valid.
        BadInput: the file's name leads out of the session folder.
        WriteFailed: the disk refuses.
    """
    path = context.path(name)
    with saying(f"{kind} {wanted}"):
        answer = service_of(context, parameters, timeout_s).get(kind, wanted)
    check_record(answer, f"{kind} {wanted}", parameters)
    written = write_record(path, answer.body, valid=answer.valid)
    if answer.note:
        context.log.warning("%s %s: %s", kind, wanted, answer.note)
    message = f"{written.name}: {answer.note}" if answer.note else written.name
    return ModuleResult(message=message, experiment_data={f"metadata_{kind}": message})


def check_record(answer: Answer, what: str, parameters: RecordParameters) -> None:
    """Return if an answer holds a record that will do.

    Raises:
        ModuleFailed: it is empty, or invalid where it must be valid.
    """
    if not answer.body:
        raise ModuleFailed(what, found="an empty record", expected="one with something in it")
    if parameters.metadata_require_valid and not answer.valid:
        raise ModuleFailed(
            what, found="a record that the service calls invalid", expected="a valid one (metadata_require_valid)"
        )


def write_record(path: Path, body: Any, *, valid: bool = True) -> Path:
    """Write a record and return its file, which has another name where the record is invalid.

    Raises:
        WriteFailed: the disk refuses.
    """
    other = path.with_name(f"{path.stem}.invalid{path.suffix}")
    written, stale = (path, other) if valid else (other, path)
    with writing(written), atomic_file(written) as handle:
        handle.write((json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    with writing(stale):
        stale.unlink(missing_ok=True)
    return written
