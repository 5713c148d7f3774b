"""``--operator``: which way the person at the rig is reached."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.operator import Operator
from opticstream.rig.operators.file import FileOperator
from opticstream.rig.operators.headless import HeadlessOperator
from opticstream.rig.operators.prepared import PreparedOperator
from opticstream.rig.operators.terminal import TerminalOperator


def make_operator(how: str, *, answers: Mapping[str, Any] | None = None) -> Operator:
    """Return the operator that ``--operator`` names.

    Args:
        how: ``auto`` (the terminal when standard input and standard error are one, else headless), ``terminal``,
            ``headless``, or the path of an answers file.
        answers: given beforehand, by key; they come before all others.

    Raises:
        BadInput: ``prefect``, which needs a flow run; or a file that is not there or cannot be read.
    """
    operator = _operator(how.strip())
    return PreparedOperator(answers, operator) if answers else operator


def _operator(how: str) -> Operator:
    if how == "auto":
        return TerminalOperator() if _at_terminal() else HeadlessOperator()
    if how == "terminal":
        return TerminalOperator()
    if how == "headless":
        return HeadlessOperator()
    if how == "prefect":
        raise BadInput(
            "--operator",
            found="prefect",
            expected="auto, terminal, headless or an answers file, where no flow run is",
            action="It asks on the page of the session's flow run: launch with Prefect.",
        )
    path = Path(how).expanduser()
    if not how or not path.is_file():
        raise BadInput(
            "--operator", found=repr(how), expected="auto, terminal, headless, prefect or an answers file that exists"
        )
    return FileOperator(path)


def _at_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
