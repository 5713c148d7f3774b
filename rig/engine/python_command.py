"""The command line of a Python acquisition."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.rig.engine.command import Command


def python_command(
    script: Path,
    *,
    executable: str | None = None,
    venv: Path | None = None,
    python_args: Sequence[str] = (),
    python_arguments: Sequence[str] = (),
    script_arguments: Sequence[str] = (),
    session_folder: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Command:
    """Return ``python PYTHON_ARGS script PYTHON_ARGUMENTS SCRIPT_ARGUMENTS``.

    The output is not held back by Python (``PYTHONUNBUFFERED``, unless the environment has it already), so it is seen
    as it comes and a silent script is silent.

    Args:
        script: the experiment script.
        executable: the interpreter; None: that of ``venv``, else the launcher's own.
        venv: virtual environment whose interpreter runs it.
        python_args: options of the interpreter, before the script (``python_args``).
        python_arguments: arguments after the script (``python_arguments``).
        script_arguments: arguments after those (``script_arguments``).
        session_folder: handed to the script as the environment variable ``OUTPUT_FOLDER``.
        cwd: working directory; None: the launcher's.
        env: more variables.

    Raises:
        BadInput: the script or the virtual environment's interpreter is no file.
    """
    if not script.is_file():
        raise BadInput(
            "script_path", found=f"no file {script}", expected="the experiment script", action="Mend script_path."
        )
    folder = {"OUTPUT_FOLDER": str(session_folder)} if session_folder else {}
    unbuffered = {} if "PYTHONUNBUFFERED" in os.environ else {"PYTHONUNBUFFERED": "1"}
    return Command(
        argv=(
            executable or (_interpreter(venv) if venv else sys.executable),
            *map(str, python_args),
            str(script.absolute()),
            *map(str, python_arguments),
            *map(str, script_arguments),
        ),
        cwd=cwd,
        env=unbuffered | folder | dict(env or {}),
        label="Python acquisition",
    )


def _interpreter(venv: Path) -> str:
    """Return a virtual environment's interpreter; Windows keeps it in Scripts."""
    for place in ("bin/python", "Scripts/python.exe"):
        if (venv / place).is_file():
            return str((venv / place).absolute())
    raise BadInput(
        "python_venv_path",
        found=f"no interpreter in {venv}",
        expected="a virtual environment (bin/python or Scripts/python.exe)",
    )
