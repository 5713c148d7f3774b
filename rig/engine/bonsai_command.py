"""The command line of a Bonsai acquisition."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.rig.engine.command import Command

Value = str | int | float | bool | None
_ROOT_FOLDER = "RootFolder"


def bonsai_command(
    executable: Path,
    workflow: Path,
    *,
    parameters: Mapping[str, Value] | None = None,
    arguments: Sequence[str] = (),
    session_folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Command:
    """Return ``Bonsai WORKFLOW --start --no-editor (-p Name=Value)... ARGUMENTS -p RootFolder=SESSION``.

    A parameter whose name ends in ``_path`` or ``_file`` and whose value is a relative path is taken to be in the
    session folder; true and false are written in lower case; a parameter of None is left out.

    Args:
        executable: Bonsai (``bonsai_exe_path``, ``bonsai_executable``).
        workflow: the ``.bonsai`` file (``script_path``, ``workflow_path``).
        parameters: the workflow's properties (``script_parameters``); names may hold spaces.
        arguments: more of the command line (``script_arguments``, ``bonsai_args``).
        session_folder: becomes the property RootFolder, unless the parameters name another.
        env: more variables.

    Raises:
        BadInput: the executable or the workflow is no file, or a parameter's name or value cannot be passed.
    """
    given = dict(parameters or {})
    if not executable.is_file():
        raise BadInput(
            "bonsai_exe_path",
            found=f"no file {executable}",
            expected="Bonsai's executable",
            action="Mend bonsai_exe_path, or give bonsai_setup_script.",
        )
    if not workflow.is_file():
        raise BadInput("script_path", found=f"no file {workflow}", expected="a .bonsai workflow")
    properties = [_property(name, value, session_folder) for name, value in given.items() if value is not None]
    root = []
    if session_folder is not None and _ROOT_FOLDER not in given:
        root = ["-p", f"{_ROOT_FOLDER}={session_folder}"]
    return Command(
        argv=(
            *(str(executable.absolute()), str(workflow.absolute()), "--start", "--no-editor"),
            *(word for each in properties for word in ("-p", each)),
            *map(str, arguments),
            *root,
        ),
        cwd=workflow.absolute().parent,
        env=dict(env or {}),
        label="Bonsai acquisition",
    )


def _property(name: str, value: Value, session_folder: Path | None) -> str:
    if not name or "=" in name:
        raise BadInput("script_parameters", found=f"the name {name!r}", expected="a property's name, without '='")
    if isinstance(value, bool):
        return f"{name}={'true' if value else 'false'}"
    if not isinstance(value, (str, int, float)):
        raise BadInput(
            f"script_parameters.{name}", found=type(value).__name__, expected="a text, a number, true or false"
        )
    text = str(value)
    if session_folder is not None and name.lower().endswith(("_path", "_file")) and _is_relative(text):
        text = str(session_folder / text)
    return f"{name}={text}"


def _is_relative(text: str) -> bool:
    """Say whether a value is a path below something; a Windows path is absolute on every system."""
    drive = text[1:2] == ":" and text[:1].isalpha()
    return bool(text) and not drive and not text.startswith(("/", "\\"))
