"""Copy the rig's newest ``instrument.json`` into the session folder.

It is a given file, or the newest of that name in a folder and those below it. The operator confirms it unless
``assume_yes`` says that nobody needs to.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from opticstream.core.errors import BadFile
from opticstream.core.files import atomic_file, read_failed, writing
from opticstream.core.operator import Question
from opticstream.rig.json_object import read_json_object
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleParameters, ModuleResult

STAGES = ("pre_acquisition", "post_acquisition")


class InstrumentParameters(ModuleParameters):
    """Parameters of the module."""

    instrument_json_filename: str = Field("instrument.json", min_length=1, description="Name of the file to look for.")
    instrument_json_source_root: Path = Field(
        Path("C:/Users/ScanImage/Documents/GitHub/slap2_processing"), description="Where it is looked for."
    )
    instrument_json_source_path: Path | None = Field(None, description="The file itself; nothing is looked for then.")
    instrument_json_recursive: bool = Field(True, description="Whether folders below are looked into.")
    instrument_json_destination_name: str = Field(
        "instrument.json", min_length=1, description="Its name in the session folder."
    )
    instrument_json_required: bool = Field(True, description="Whether it is a failure when there is none.")
    assume_yes: bool = Field(False, description="Whether it is taken without asking.")


PARAMETERS = InstrumentParameters


def run(context: ModuleContext) -> ModuleResult:
    """Find, confirm, copy."""
    parameters = context.read(InstrumentParameters)
    found = parameters.instrument_json_source_path or _newest(parameters)
    if found is None or not found.is_file():
        missing = BadFile(
            str(found or parameters.instrument_json_source_root / parameters.instrument_json_filename),
            found="no file",
            expected="the rig's description (instrument_json_source_root, instrument_json_source_path)",
        )
        if parameters.instrument_json_required:
            raise missing
        context.log.warning("%s", missing)
        return ModuleResult(message="none found")
    try:
        content, changed = found.read_bytes(), datetime.fromtimestamp(found.stat().st_mtime, UTC)
    except OSError as error:
        raise read_failed(found, error) from None
    read_json_object(content, str(found))
    text = f"Take {found}, last changed {changed:%Y-%m-%d %H:%M} UTC, as this rig's description?"
    question = Question("instrument_json_confirmed", text, kind="confirm", default=True)
    if not parameters.assume_yes and not context.ask(question):
        raise ModuleFailed(question.key, found="no", expected="yes", action="Set instrument_json_source_path.")
    target = context.path(parameters.instrument_json_destination_name)
    with writing(target), atomic_file(target) as handle:
        handle.write(content)
    return ModuleResult(message=str(found), experiment_data={"instrument_json_source": str(found)})


def _newest(parameters: InstrumentParameters) -> Path | None:
    name, root = parameters.instrument_json_filename, parameters.instrument_json_source_root
    found: list[tuple[float, str]] = []
    for folder, folders, files in os.walk(root):
        if name in files:
            path = Path(folder, name)
            try:
                found.append((path.stat().st_mtime, str(path)))
            except OSError:
                continue  # it went away, or is a link to nothing
        if not parameters.instrument_json_recursive:
            folders.clear()
    return Path(max(found)[1]) if found else None
