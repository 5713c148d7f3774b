"""The beads of a scope: which there are, and where."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput
from opticstream.scope.bad_value import BadValue
from opticstream.scope.beads.bead_change import BeadChange, Why
from opticstream.scope.beads.free_places import FreePlaces

CAPACITY = 10_000
"""Ids run from 0 to one less; as many rows has the shared buffer."""

_ROI = range(8, 257, 2)


class BeadBoard:
    """Owner of the beads' regions; each is a square of ``roi`` px inside the image, x0, x1, y0, y1, ends excluded.

    An id is never given twice, until :meth:`reorder` numbers the beads anew. Each change returns what it did; a change
    that cannot be made raises before anything is changed.

    Args:
        width: of the camera's image, px.
        height: px.
        roi: edge of the regions, px; even, 8 to 256, no larger than the image.

    Raises:
        BadValue: (a ValueError) a size cannot be used.
    """

    def __init__(self, width: int, height: int, roi: int) -> None:
        if min(width, height) < _ROI[0]:
            raise BadValue("image of the camera", found=f"{width} by {height} px", expected=f"{_ROI[0]} px or more")
        self.width, self.height = int(width), int(height)
        self._corners: dict[int, tuple[int, int]] = {}
        self._next = 0
        self._frozen = ""
        self._roi = self._checked_roi(roi)

    @property
    def roi(self) -> int:
        """Edge of every region, px."""
        return self._roi

    @property
    def next_id(self) -> int:
        """The id that the next bead gets: one more than the highest ever."""
        return self._next

    @property
    def rois(self) -> Mapping[int, tuple[int, int, int, int]]:
        """Region of each bead by its id."""
        return MappingProxyType({bead: self._region(corner) for bead, corner in self._corners.items()})

    @property
    def frozen(self) -> str:
        """Why nothing can be changed now; empty: it can."""
        return self._frozen

    def __len__(self) -> int:
        return len(self._corners)

    def __contains__(self, bead: object) -> bool:
        return bead in self._corners

    def arrays(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return the ids, rising, (n,) and the regions (n, 4)."""
        change = self._change("updated", self._corners)
        return change.ids, change.rois

    def freeze(self, reason: str) -> None:
        """Refuse changes until :meth:`thaw`, as while a Z-LUT is generated; ``reason`` is what users are told."""
        self._frozen = reason

    def thaw(self) -> None:
        """Take changes again."""
        self._frozen = ""

    def add(self, places: ArrayLike) -> BeadChange:
        """Add beads.

        Args:
            places: middle of each, x and y, px, 0 is the middle of the first pixel; (2,) or (n, 2).

        Raises:
            BadValue: a region would leave the image, or there are no ids left for all.
            BadInput: the beads are frozen.
        """
        middles = np.asarray(places, np.float64)
        middles = middles[None] if middles.shape == (2,) else middles
        if middles.ndim != 2 or middles.shape[1] != 2 or not np.isfinite(middles).all():
            raise BadValue("places of beads", found=f"shape {middles.shape}", expected="finite x, y px; (n, 2)")
        # Half up, not to even: beads half a pixel apart must not jump by two.
        corners = np.floor(middles - (self._roi - 1) / 2 + 0.5)
        for middle, (x, y) in zip(middles.tolist(), corners.tolist(), strict=True):
            if not (0 <= x <= self.width - self._roi and 0 <= y <= self.height - self._roi):
                raise BadValue(
                    f"bead at x {middle[0]:g}, y {middle[1]:g}",
                    found=f"a region of {self._roi} px that leaves the image",
                    expected=f"one inside {self.width} by {self.height} px",
                )
        return self._add([(int(x), int(y)) for x, y in corners.tolist()])

    def add_random(self, count: int, seed: int | None = None) -> BeadChange:
        """Add beads at random places whose regions overlap no other's; as many as find room, see ``note``.

        Args:
            count: how many, 0 or more.
            seed: makes the places repeatable; None: they differ each time.

        Raises:
            BadValue: ``count`` is negative, or there are no ids left for all.
            BadInput: the beads are frozen.
        """
        if count < 0:
            raise BadValue("number of random beads", found=str(count), expected="0 or more")
        self._check_room(count)
        taken = np.array(list(self._corners.values()), np.int64).reshape(-1, 2)
        places = FreePlaces(self.width, self.height, self._roi, taken)
        random = np.random.default_rng(seed)
        corners: list[tuple[int, int]] = []
        while len(corners) < count and (corner := places.draw(random)) is not None:
            corners.append(corner)
        note = "" if len(corners) == count else f"{len(corners)} of {count} random beads found room"
        return self._add(corners, note)

    def move(self, moves: Iterable[tuple[int, int, int]]) -> BeadChange:
        """Move beads by (id, dx, dy) px, no further than the image's edge.

        Beads that are gone are passed over: a lock's moves may cross a removal. The change holds what really moved.

        Raises:
            BadValue: a distance is no whole number.
            BadInput: the beads are frozen.
        """
        self._check_open()
        corners = dict(self._corners)
        for bead, dx, dy in moves:
            if dx != int(dx) or dy != int(dy):
                raise BadValue(f"move of bead {bead}", found=f"{dx}, {dy}", expected="whole pixels")
            if bead in corners:
                x, y = corners[bead]
                right, bottom = self.width - self._roi, self.height - self._roi
                corners[bead] = (min(max(x + int(dx), 0), right), min(max(y + int(dy), 0), bottom))
        return self._take("moved", corners)

    def update(self, rois: Mapping[int, ArrayLike]) -> BeadChange:
        """Give beads other regions, x0, x1, y0, y1.

        Raises:
            BadValue: a bead is not there, or a region has another size or leaves the image.
            BadInput: the beads are frozen.
        """
        self._check_open()
        corners = {bead: self._checked_region(bead, region) for bead, region in rois.items()}
        missing = sorted(corners.keys() - self._corners.keys())
        if missing:
            raise BadValue(f"bead {missing[0]}", found="no such bead", expected="a bead that was added")
        return self._take("updated", {**self._corners, **corners})

    def remove(self, beads: Iterable[int]) -> BeadChange:
        """Remove beads; those that are not there are passed over.

        Raises:
            BadInput: the beads are frozen.
        """
        self._check_open()
        return self._drop("removed", {bead for bead in beads if bead in self._corners})

    def clear(self) -> BeadChange:
        """Remove all beads.

        Raises:
            BadInput: the beads are frozen.
        """
        self._check_open()
        return self._drop("cleared", set(self._corners))

    def reorder(self) -> BeadChange:
        """Number the beads 0, 1, 2, … in the order of their ids; ``renumbered`` says which became which.

        Raises:
            BadInput: the beads are frozen.
        """
        self._check_open()
        renumbered = {old: new for new, old in enumerate(sorted(self._corners))}
        self._corners = {new: self._corners[old] for old, new in renumbered.items()}
        self._next = len(renumbered)
        return self._change("renumbered", self._corners, renumbered=renumbered)

    def set_roi(self, roi: int) -> BeadChange:
        """Change the size of the regions, which removes all beads; the same size removes none.

        Raises:
            BadValue: the size cannot be used.
            BadInput: the beads are frozen.
        """
        checked = self._checked_roi(roi)
        if checked == self._roi:
            return self._change("cleared", ())
        lost = len(self)
        change = self.clear()
        self._roi = checked
        return replace(change, note=f"regions are {checked} px now: the {lost} beads were removed") if lost else change

    def _add(self, corners: list[tuple[int, int]], note: str = "") -> BeadChange:
        self._check_room(len(corners))
        ids = range(self._next, self._next + len(corners))
        self._corners.update(zip(ids, corners, strict=True))
        self._next = ids.stop
        return self._change("added", ids, note=note)

    def _take(self, why: Why, corners: dict[int, tuple[int, int]]) -> BeadChange:
        changed = [bead for bead, corner in corners.items() if self._corners[bead] != corner]
        self._corners = corners
        return self._change(why, changed)

    def _drop(self, why: Why, beads: set[int]) -> BeadChange:
        change = self._change(why, beads)
        for bead in beads:
            del self._corners[bead]
        return change

    def _change(
        self, why: Why, beads: Iterable[int], note: str = "", renumbered: Mapping[int, int] | None = None
    ) -> BeadChange:
        ids = sorted(beads)
        regions = [self._region(self._corners[bead]) for bead in ids]
        rois = np.array(regions, np.uint32).reshape(-1, 4)
        return BeadChange(why, np.array(ids, np.uint32), rois, renumbered or {}, note)

    def _region(self, corner: tuple[int, int]) -> tuple[int, int, int, int]:
        x, y = corner
        return x, x + self._roi, y, y + self._roi

    def _check_open(self) -> None:
        if self._frozen:
            raise BadInput("beads", found=self._frozen, expected="beads that may be changed", action="Wait for it.")

    def _check_room(self, count: int) -> None:
        self._check_open()
        if self._next + count > CAPACITY:
            raise BadValue(
                "beads", found=f"{count} more after id {self._next - 1}", expected=f"ids below {CAPACITY}",
                action=f"Remove beads and number the {len(self)} left anew.",
            )  # fmt: skip

    def _checked_roi(self, roi: int) -> int:
        if roi not in _ROI or roi > min(self.width, self.height):
            expected = f"an even number from 8 to 256, no larger than {self.width} by {self.height} px"
            raise BadValue("ROI", found=repr(roi), expected=expected)
        return int(roi)

    def _checked_region(self, bead: int, region: ArrayLike) -> tuple[int, int]:
        values = np.asarray(region)
        if values.shape == (4,) and values.dtype.kind in "iu":
            x, _, y, _ = corner = [int(value) for value in values]
            inside = 0 <= x <= self.width - self._roi and 0 <= y <= self.height - self._roi
            if inside and corner == list(self._region((x, y))):
                return x, y
        raise BadValue(
            f"region of bead {bead}",
            found=f"{values.tolist()}",
            expected=f"x0, x1, y0, y1 of {self._roi} px inside {self.width} by {self.height} px",
        )
