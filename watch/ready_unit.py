"""What every kind of ready unit tells the gate and the dispatch."""

from typing import Protocol

from opticstream.core.identifiers import UnitId


class ReadyUnit(Protocol):
    """A batch, strip or other unit whose files are complete, stable and readable."""

    @property
    def ident(self) -> UnitId:
        """The unit."""

    @property
    def fingerprint(self) -> str:
        """Digest over names, mtimes and sizes of its files, the same in every run and on every host."""

    @property
    def total_bytes(self) -> int:
        """Size of its files together."""

    @property
    def force(self) -> bool:
        """Take it whatever its row says."""

    @property
    def summary(self) -> str:
        """One line for the operator: how many files, how much."""
