"""What is different in a source since it was last asked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from opticstream.watch.engine import Fingerprint

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Delta(Generic[K]):
    """New and changed candidates with their fingerprints, and the keys of those that went away."""

    changed: Mapping[K, Fingerprint] = field(default_factory=dict)
    gone: Collection[K] = ()
