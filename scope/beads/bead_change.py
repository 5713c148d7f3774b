"""What a change did to the beads, for those who must be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Why = Literal["added", "moved", "updated", "removed", "cleared", "renumbered"]


@dataclass(frozen=True, eq=False)
class BeadChange:
    """One change of the beads; nothing happened if it holds none."""

    why: Why
    ids: NDArray[np.uint32]
    """Beads that changed, in rising order; after ``renumbered`` all beads by their new ids; (n,)."""
    rois: NDArray[np.uint32]
    """Their regions now, or the last ones of beads that are gone: x0, x1, y0, y1, px, ends excluded; (n, 4)."""
    renumbered: Mapping[int, int] = field(default_factory=dict)
    """New id by old one, of every bead that stayed."""
    note: str = ""
    """What a user should know, such as beads that found no room."""

    def __bool__(self) -> bool:
        return len(self.ids) > 0 or bool(self.renumbered)
