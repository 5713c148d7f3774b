"""What all buffers have in common: a segment with a heading and arrays, attached by name in any process."""

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from opticstream.scope.memory.errors import BadValue
from opticstream.scope.memory.segment import Segment, unlink_segment

Fields = Mapping[str, tuple[DTypeLike, tuple[int, ...]]]
"""Name, type and shape of the arrays in a segment, in order."""

_HEADING = 16
_ALIGNED = 64
"""Bytes; an array starts on a cache line of its own, so that writer and readers do not slow each other down."""


class SharedBuffer:
    """Base of the buffers. Pickled to a spawned child, a buffer attaches there by itself.

    Used as a context manager it is closed at the end, and removed if it was created here. Closing only lets go: arrays
    that were handed out stay valid for as long as somebody holds them.

    Args:
        name: of the segment, see :func:`~opticstream.scope.memory.segment_name`.
        create: make the segment; otherwise attach to one that exists.
    """

    _SCHEMA: ClassVar[int] = 1
    _FIELDS: ClassVar[Fields] = {}
    """Arrays of a kind whose sizes are always the same."""

    name: str
    closed: bool
    created: bool
    """Whether this object made the segment."""

    def __init__(self, name: str, create: bool) -> None:
        self._arrays = self._open(name, create)

    def _open(self, name: str, create: bool, parameters: Sequence[int] = ()) -> dict[str, NDArray[Any]]:
        """Create or attach, and return the arrays; ``parameters`` are those of a creator, kept in the heading.

        Raises:
            BadInput: see :class:`Segment`.
            BadValue: the segment holds something else.
        """
        self.name, self.created, self.closed = name, create, False
        kind = zlib.crc32(type(self).__name__.encode()) + 1
        if create:
            segment = Segment(name, _place(self._fields(parameters))[1])
            heading = np.frombuffer(segment.map, np.uint64, _HEADING)
            heading[2 : 2 + len(parameters)] = parameters
            heading[:2] = kind, self._SCHEMA
        else:
            segment = Segment(name)
            heading = np.frombuffer(segment.map, np.uint64, _HEADING)
            if int(heading[0]) != kind or int(heading[1]) != self._SCHEMA:
                raise BadValue(
                    f"shared memory {name}", found=f"kind {heading[0]}, schema {heading[1]}",
                    expected=f"a {type(self).__name__}, kind {kind}, schema {self._SCHEMA}",
                )  # fmt: skip
        self._parameters = [int(value) for value in heading[2:]]
        places = _place(fields := self._fields(self._parameters))[0]
        return {
            field: np.frombuffer(segment.map, dtype, int(np.prod(shape)), places[field]).reshape(shape)
            for field, (dtype, shape) in fields.items()
        }

    def _fields(self, parameters: Sequence[int]) -> Fields:
        """Return the arrays of a segment with these parameters."""
        return self._FIELDS

    def close(self) -> None:
        """Let go of the memory; never fails, may be called again. Whatever else is asked then raises ValueError."""
        name, created = self.name, self.created
        self.__dict__.clear()
        self.name, self.created, self.closed = name, created, True

    def unlink(self) -> None:
        """Remove the segment's name; never fails, may be called again, before or after :meth:`close`."""
        unlink_segment(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self.created:
            self.unlink()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, False)

    if not TYPE_CHECKING:

        def __getattr__(self, attribute: str) -> Any:
            if self.__dict__.get("closed"):
                raise BadValue(f"{type(self).__name__} {self.name}", found="closed", expected="an open buffer")
            raise AttributeError(f"{type(self).__name__} has no attribute {attribute}")


def _place(fields: Fields) -> tuple[dict[str, int], int]:
    """Return where each array begins, and the size of all, bytes."""
    end = _HEADING * 8
    places = {}
    for field, (dtype, shape) in fields.items():
        places[field] = end = -(-end // _ALIGNED) * _ALIGNED
        size = np.dtype(dtype).itemsize
        for extent in shape:
            size *= extent
        end += size
    return places, end


def whole_numbers(where: str, **values: int | None) -> list[int]:
    """Return the values.

    Raises:
        BadValue: one of them is missing or less than 1.
    """
    for name, value in values.items():
        if value is None or int(value) != value or value < 1:
            raise BadValue(f"{where}: {name}", found="nothing" if value is None else f"{value}", expected="1 or more")
    return [int(value) for value in values.values() if value is not None]
