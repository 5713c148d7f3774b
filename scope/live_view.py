"""The newest data of a running scope, read from its buffers."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.shared import Shared

_ROWS = 20_000
"""How many of the newest rows of all beads are looked through."""
_COLUMNS = {"x": 1, "y": 2, "z": 3}
_BEAD = 4


class LiveView:
    """What scripts and conditions see; each call reads what is newest, and waits for nothing.

    Args:
        shared: of the process that looks.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @property
    def time(self) -> float:
        """Now, seconds since 1970 UTC."""
        return time.time()

    @property
    def frame_number(self) -> int:
        """How many frames have been tracked."""
        return int(self._shared.values.frames_tracked.value)

    def x(self, bead: int) -> float:
        """Return the newest finite x of a bead, nm; NaN if there is none."""
        return self._newest("x", bead, 1)

    def y(self, bead: int) -> float:
        """Return the newest finite y of a bead, nm; NaN if there is none."""
        return self._newest("y", bead, 1)

    def z(self, bead: int) -> float:
        """Return the newest finite z of a bead, nm; NaN if there is none."""
        return self._newest("z", bead, 1)

    def mean_z(self, bead: int, n: int) -> float:
        """Return the mean of a bead's newest ``n`` finite z, nm; NaN if there are none."""
        return self._newest("z", bead, n)

    def tracks(self, bead: int, n: int) -> NDArray[np.float64]:
        """Return a bead's newest rows, oldest first: t s, x nm, y nm, z nm, bead, ROI x px, ROI y px; (up to n, 7)."""
        rows: NDArray[np.float64] = self._shared.tracks_buffer.newest(_ROWS)
        own: NDArray[np.float64] = rows[rows[:, _BEAD] == bead][-n:]
        return own

    def hardware(self, name: str) -> NDArray[np.float64]:
        """Return the newest row of a hardware manager's buffer, (columns,); (0,) before the first.

        Raises:
            KeyError: there is no such hardware.
        """
        rows: NDArray[np.float64] = self._shared.hardware_buffers[name].newest(1)
        return rows[0] if len(rows) else np.empty(0)

    def setting(self, key: str) -> Any:
        """Return the value of a setting.

        Raises:
            KeyError: there is no such setting.
        """
        return self._shared.settings[key]

    def _newest(self, what: str, bead: int, n: int) -> float:
        values = self.tracks(bead, _ROWS)[:, _COLUMNS[what]]
        values = values[np.isfinite(values)][-n:]
        return float(values.mean()) if len(values) else float("nan")
