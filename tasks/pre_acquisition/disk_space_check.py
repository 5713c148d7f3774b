"""Refuse to start, or to go on, with too little room on the disk.

With too little room the operator may make some, once, and where the lab allows it go on all the same. With nobody
there to ask, too little room is a failure.
"""

import shutil
from pathlib import Path

from pydantic import Field

from opticstream.core.errors import BadInput
from opticstream.core.operator import Question
from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleParameters, ModuleResult
from opticstream.rig.parameter_types import Number

STAGES = ("pre_acquisition", "post_acquisition")
_GIB = 2**30


class DiskSpaceParameters(ModuleParameters):
    """Parameters of the module."""

    required_free_gb: Number = Field(gt=0, description="Least free space, GiB.")
    disk_space_check_path: Path | None = Field(
        None, description="A folder on the disk in question; absent: the session folder."
    )
    allow_override: bool = Field(False, description="Whether the operator may go on with less.")
    prompt_to_free_space: bool = Field(True, description="Whether the operator is asked, once, to make room.")


PARAMETERS = DiskSpaceParameters


def run(context: ModuleContext) -> ModuleResult:
    """Compare, ask where that may help, and fail where it did not."""
    parameters = context.read(DiskSpaceParameters)
    folder = parameters.disk_space_check_path or context.session_folder
    needed = parameters.required_free_gb
    free = _free(folder)
    if free < needed and parameters.prompt_to_free_space:
        text = f"{folder}: {free:.1f} GiB free, {needed:g} GiB needed. Make room, then say yes to look again."
        if context.ask(Question("disk_space_freed", text, kind="confirm", required=False)):
            free = _free(folder)
    found = f"{free:.1f} GiB free on {folder}"
    if free >= needed:
        return ModuleResult(message=found)
    text = f"{found}, {needed:g} GiB needed. Go on all the same?"
    if parameters.allow_override and context.ask(Question("disk_space_override", text, kind="confirm", required=False)):
        context.log.warning("%s, %g GiB needed; the operator goes on", found, needed)
        return ModuleResult(message=f"{found}, less than {needed:g}; allowed by the operator")
    raise ModuleFailed(
        "required_free_gb", found=found, expected=f"at least {needed:g} GiB", action="Make room, or ask for less."
    )


def _free(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free / _GIB
    except OSError as error:
        raise BadInput(
            "disk_space_check_path", found=f"{folder}: {error.strerror or error}", expected="a folder that is there"
        ) from None
