"""Checksums by name: what hashlib has everywhere, and xxh3 for whoever wants speed and trusts their network."""

import hashlib
from typing import Final, Protocol

import xxhash

from opticstream.core.errors import BadInput

_XXHASH: Final = {"xxh3_64": xxhash.xxh3_64, "xxh3_128": xxhash.xxh3_128}
ALGORITHMS: Final = tuple(
    # The shake family has no length of its own, so two programs would write two checksums.
    sorted({name for name in hashlib.algorithms_guaranteed if not name.startswith("shake")} | _XXHASH.keys())
)
"""Names that :func:`new_checksum` takes."""


class Checksum(Protocol):
    """A checksum that grows with what it is given."""

    def update(self, data: memoryview, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return the checksum so far, in lower-case hexadecimal digits."""
        ...


def new_checksum(algorithm: str) -> Checksum:
    """Return an empty checksum.

    Args:
        algorithm: one of :data:`ALGORITHMS`.

    Raises:
        BadInput: there is none of that name.
    """
    if algorithm in _XXHASH:
        found: Checksum = _XXHASH[algorithm]()
        return found
    if algorithm not in ALGORITHMS:
        raise BadInput("checksum algorithm", found=repr(algorithm), expected="one of " + ", ".join(ALGORITHMS))
    return hashlib.new(algorithm, usedforsecurity=False)
