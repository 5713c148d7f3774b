"""What a script sees of the running scope."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Live(Protocol):
    """The newest data, each time it is asked; nothing here waits, and what is not known is NaN or empty."""

    @property
    def time(self) -> float:
        """Now, seconds since 1970 UTC."""

    @property
    def frame_number(self) -> int:
        """The camera's number of the newest tracked frame; -1 before the first."""

    def x(self, bead: int) -> float:
        """Return the newest finite x of a bead, nm; NaN if there is none."""

    def y(self, bead: int) -> float:
        """Return the newest finite y of a bead, nm; NaN if there is none."""

    def z(self, bead: int) -> float:
        """Return the newest finite z of a bead, nm; NaN if there is none."""

    def mean_z(self, bead: int, n: int) -> float:
        """Return the mean of a bead's newest ``n`` finite z, nm; NaN if there are none."""

    def tracks(self, bead: int, n: int) -> NDArray[np.float64]:
        """Return a bead's newest rows, oldest first: t s, x nm, y nm, z nm, bead, ROI x px, ROI y px; (up to n, 7)."""

    def hardware(self, name: str) -> NDArray[np.float64]:
        """Return the newest row of a hardware manager's buffer, (columns,); (0,) before the first."""

    def setting(self, key: str) -> Any:
        """Return the value of a setting; an unknown key raises KeyError."""
