"""One number that one process writes and any may read."""

from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

Number = TypeVar("Number", int, float)


class SharedValue(Generic[Number]):
    """A number in shared memory, in one aligned word that is never torn; it has no lock and needs none.

    Args:
        cell: where it is, (1,).
    """

    def __init__(self, cell: NDArray[Any]) -> None:
        self._cell = cell

    @property
    def value(self) -> Number:
        """The number; setting one that the type cannot hold raises OverflowError. Only one process may set it."""
        value: Number = self._cell.item(0)
        return value

    @value.setter
    def value(self, value: Number) -> None:
        self._cell[0] = value

    def __repr__(self) -> str:
        return f"SharedValue({self.value})"
