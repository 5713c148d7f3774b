"""What is different in a source since it was last asked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K")
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Delta(Generic[K, F]):
    """New and changed candidates with their fingerprints, and the keys of those that went away."""

    changed: Mapping[K, F] = field(default_factory=dict)
    gone: Collection[K] = ()
