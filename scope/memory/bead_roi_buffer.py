"""Where the beads are."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.memory.errors import BadValue
from opticstream.scope.memory.ring_counters import RingCounters
from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer

Ids = NDArray[np.uint32]
Rois = NDArray[np.uint32]

_VERSIONS = 4
_LARGEST = np.iinfo(np.uint32).max


class BeadRoiBuffer(SharedBuffer):
    """The regions of the beads by id, written by the parent process only; each change is one version.

    Every change writes a new copy beside the last ones and then makes it current, so a reader gets all of one version
    or all of another, and a writer that is killed in a change leaves the version before.

    Args:
        name: of the segment.
        create: make it, empty.

    Raises:
        BadInput: the name is taken, or there is no such segment.
    """

    CAPACITY = 10000
    """Bead ids are 0 to this, excluded."""
    _FIELDS: ClassVar[Fields] = {
        "ring": (np.uint64, (2,)),
        "counts": (np.uint64, (_VERSIONS, 2)),  # beads, and the highest id ever + 1
        "ids": (np.uint32, (_VERSIONS, CAPACITY)),
        "rois": (np.uint32, (_VERSIONS, CAPACITY, 4)),
    }

    def __init__(self, name: str, create: bool) -> None:
        arrays = self._open(name, create)
        self._ring = RingCounters(arrays["ring"], _VERSIONS)
        self._counts, self._ids, self._rois = arrays["counts"], arrays["ids"], arrays["rois"]

    # Anybody ---------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """One more at each change, 0 at first."""
        return self._ring.written

    def _snapshot(self) -> tuple[Ids, Rois, int]:
        """Return ids, rois and the highest id ever + 1, all of one version."""
        while True:
            version = self._ring.written
            if not version:
                return np.empty(0, np.uint32), np.empty((0, 4), np.uint32), 0
            place = (version - 1) % _VERSIONS
            count, following = (int(value) for value in self._counts[place])
            ids, rois = self._ids[place, :count].copy(), self._rois[place, :count].copy()
            if self._ring.intact() < version:
                return ids, rois, following
            time.sleep(0)  # several changes in the time of one copy; a writer that is killed cannot cause it

    def get_beads(self) -> tuple[Ids, Rois]:
        """Return copies of the ids, increasing (n,), and of x0, x1, y0, y1 of each, px, (n, 4)."""
        return self._snapshot()[:2]

    def get_next_available_bead_id(self) -> int:
        """Return the highest id that was ever used + 1; a removed bead's id is not given to another.

        Raises:
            BadValue: there is no such id left.
        """
        following = self._snapshot()[2]
        if following >= self.CAPACITY:
            raise BadValue(
                "bead id", found=f"ids up to {self.CAPACITY - 1} were used", expected="one that never was",
                action="Number the beads anew by reorder_beads().",
            )  # fmt: skip
        return following

    @property
    def active_count(self) -> int:
        """How many beads there are."""
        return len(self._snapshot()[0])

    # The parent ------------------------------------------------------------------------------------------------

    def replace_beads(self, beads: Mapping[int, Sequence[int]]) -> None:
        """Forget all beads and set these: id → x0, x1, y0, y1, px.

        Raises:
            BadValue: an id is not within the capacity, or a region is not four whole numbers from 0 on.
        """
        self._publish({bead: _region(bead, roi) for bead, roi in beads.items()})

    def add_beads(self, beads: Mapping[int, Sequence[int]]) -> None:
        """Add beads that are not there.

        Raises:
            BadValue: as for :meth:`replace_beads`, or a bead exists; nothing is changed.
        """
        self._merge(beads, exist=False)

    def update_beads(self, beads: Mapping[int, Sequence[int]]) -> None:
        """Change the regions of beads that are there.

        Raises:
            BadValue: as for :meth:`replace_beads`, or a bead is missing; nothing is changed.
        """
        self._merge(beads, exist=True)

    def remove_beads(self, ids: Iterable[int]) -> None:
        """Remove beads; ids that are not there are ignored.

        Raises:
            BadValue: an id is not within the capacity.
        """
        unwanted = {_checked(bead) for bead in ids}
        self._publish({bead: roi for bead, roi in self._table().items() if bead not in unwanted})

    def clear_beads(self) -> None:
        """Remove all beads."""
        self._publish({})

    def reorder_beads(self) -> dict[int, int]:
        """Give the beads the ids 0 to n-1 in their order, and return old → new; the next free id is then n."""
        table = self._table()
        renamed = {old: new for new, old in enumerate(sorted(table))}
        self._publish({renamed[old]: roi for old, roi in table.items()}, following=0)
        return renamed

    def _table(self) -> dict[int, Sequence[int]]:
        ids, rois = self.get_beads()
        return dict(zip(ids.tolist(), rois.tolist(), strict=True))

    def _merge(self, beads: Mapping[int, Sequence[int]], *, exist: bool) -> None:
        table = self._table()
        for bead, roi in beads.items():
            if (bead in table) is not exist:
                raise BadValue(
                    f"bead {_checked(bead)}", found="no such bead" if exist else "a bead with this id",
                    expected="one to change" if exist else "a free id",
                )  # fmt: skip
            table[bead] = _region(bead, roi)
        self._publish(table)

    def _publish(self, table: Mapping[int, Sequence[int]], following: int | None = None) -> None:
        ids = sorted(_checked(bead) for bead in table)
        if following is None:
            following = self._snapshot()[2]
        version = self._ring.written
        place, count = version % _VERSIONS, len(ids)
        self._ring.begin(version + 1)
        self._ids[place, :count] = ids
        if ids:
            self._rois[place, :count] = [table[bead] for bead in ids]
        self._counts[place] = count, max(following, ids[-1] + 1 if ids else 0)
        self._ring.finish(version + 1)


def _checked(bead: Any) -> int:
    if isinstance(bead, bool) or bead != int(bead) or not 0 <= bead < BeadRoiBuffer.CAPACITY:
        raise BadValue("bead id", found=f"{bead!r}", expected=f"0 to {BeadRoiBuffer.CAPACITY - 1}")
    return int(bead)


def _region(bead: int, roi: Sequence[int]) -> list[int]:
    values = np.asarray(roi)
    whole = values.shape == (4,) and values.dtype.kind in "iuf" and bool(np.all(values == np.floor(values)))
    if not whole or values.min() < 0 or values.max() > _LARGEST:
        raise BadValue(f"region of bead {bead}", found=f"{roi}", expected="x0, x1, y0, y1, px, from 0 on")
    return [int(value) for value in values]
