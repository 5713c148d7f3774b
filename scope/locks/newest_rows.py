"""The newest values of each bead, whatever the length of a recording."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class NewestRows:
    """Rings of the newest ``window`` finite values of each bead.

    What it holds and what a mean costs depend on beads and window only, never on how much was fed.

    Args:
        window: values kept of each bead, 1 or more.
        columns: numbers of one value, which counts when all are finite.
    """

    def __init__(self, window: int, columns: int) -> None:
        self._window, self._columns = window, columns
        self._slots: dict[int, int] = {}
        self._times: NDArray[np.int64]
        self._values: Floats
        self._count: NDArray[np.int64]
        self._allocate(0)

    @property
    def window(self) -> int:
        """Values kept of each bead; a larger window is filled by what comes."""
        return self._window

    @window.setter
    def window(self, window: int) -> None:
        old_times, old_values = self._sorted()
        self._window = window
        self._allocate(len(old_times))
        kept = min(window, old_times.shape[1])
        # The oldest kept value stands first, so that the next to be overwritten is where the counter points.
        self._times[:, window - kept :] = old_times[:, old_times.shape[1] - kept :]
        self._values[:, window - kept :] = old_values[:, old_times.shape[1] - kept :]

    def feed(self, times_ns: NDArray[np.int64], beads: NDArray[np.integer], values: Floats) -> None:
        """Take the values of B beads in F frames that follow those fed before.

        Args:
            times_ns: of the frames, ns since 1970; (F,).
            beads: ids; (B,).
            values: not finite where a bead was not found; (F, B, columns).
        """
        slots = np.array([self._slot(bead) for bead in beads.tolist()], np.intp)
        finite = np.asarray(np.isfinite(values).all(axis=2))
        # Of a bead that is found in every frame only the last frames matter; skip what they would overwrite.
        first = max(len(times_ns) - self._window, 0) if finite[-self._window :].all() else 0
        for time, found, row in zip(times_ns[first:], finite[first:], values[first:], strict=True):
            here = slots[found]
            at = self._count[here] % self._window
            self._times[here, at] = time
            self._values[here, at] = row[found]
            self._count[here] += 1

    def means(self, beads: Collection[int], cutoffs_ns: NDArray[np.int64]) -> Floats:
        """Return the mean of each bead's values that are newer than its cut-off; NaN without any; (B, columns)."""
        result = np.full((len(beads), self._columns), np.nan)
        known = np.array([bead in self._slots for bead in beads], bool)
        slots = np.array([self._slots[bead] for bead in beads if bead in self._slots], np.intp)
        if not len(slots):
            return result
        counts = (self._times[slots] > cutoffs_ns[known, None])[..., None]
        number = counts.sum(axis=1)
        total = np.where(counts, self._values[slots], 0.0).sum(axis=1)
        result[known] = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return result

    def keep(self, beads: Collection[int]) -> None:
        """Forget every other bead."""
        stay = {bead: slot for bead, slot in self._slots.items() if bead in beads}
        if len(stay) == len(self._slots):
            return
        rows = list(stay.values())
        self._times, self._values, self._count = self._times[rows], self._values[rows], self._count[rows]
        self._slots = {bead: at for at, bead in enumerate(stay)}

    def rename(self, renumbered: Mapping[int, int]) -> None:
        """Give beads new ids by their old ones; those that have none are forgotten."""
        self.keep(renumbered.keys())
        self._slots = {renumbered[bead]: slot for bead, slot in self._slots.items()}

    def clear(self) -> None:
        """Forget all values."""
        self.keep(())

    def _allocate(self, beads: int) -> None:
        # The earliest time there is: a place that holds no value is newer than no cut-off.
        self._times = np.full((beads, self._window), np.iinfo(np.int64).min)
        self._values = np.zeros((beads, self._window, self._columns))
        self._count = np.zeros(beads, np.int64)

    def _slot(self, bead: int) -> int:
        slot = self._slots.setdefault(bead, len(self._slots))
        if slot == len(self._times):
            times, values, count = self._times, self._values, self._count
            self._allocate(max(2 * slot, 16))
            self._times[:slot], self._values[:slot], self._count[:slot] = times, values, count
        return slot

    def _sorted(self) -> tuple[NDArray[np.int64], Floats]:
        """Return times and values with the oldest of each bead first."""
        order = (self._count[:, None] + np.arange(self._window)) % self._window
        values = np.take_along_axis(self._values, order[..., None], axis=1)
        return np.take_along_axis(self._times, order, axis=1), values
