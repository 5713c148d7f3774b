"""How a session asks the person at the rig: at the terminal, from a file, or nobody. No Prefect."""

from opticstream.rig.operators.choose import make_operator
from opticstream.rig.operators.file import FileOperator
from opticstream.rig.operators.headless import HeadlessOperator
from opticstream.rig.operators.prepared import PreparedOperator
from opticstream.rig.operators.terminal import TerminalOperator

__all__ = ["FileOperator", "HeadlessOperator", "PreparedOperator", "TerminalOperator", "make_operator"]
