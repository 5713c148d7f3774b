"""Groups tile files into batches and tells which are complete."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

from opticstream.core.oct_layout import batch_of_tile, tiles_of_batch
from opticstream.watch.delta import Delta
from opticstream.watch.engine import FileMark, Fingerprint
from opticstream.watch.report import IncompleteUnit, Problem
from opticstream.watch.tile_name import TileKind, TileName

BatchKey = tuple[int, int]
"""(source mosaic, batch)."""

TileFile = tuple[int, TileKind, FileMark]
"""One file of a batch: (tile, kind, mark)."""


class OCTBatches:
    """The batches of a folder by (source mosaic, batch), kept up to date file by file.

    Args:
        folder: where the files are, for messages.
        grid_size_y: tiles per batch.
        kinds: the kinds of file each tile must have.
        batches_of: how many batches a source mosaic has.
    """

    def __init__(
        self, folder: Path, *, grid_size_y: int, kinds: tuple[TileKind, ...], batches_of: Callable[[int], int]
    ) -> None:
        self._folder = folder
        self._grid_size_y = grid_size_y
        self._kinds = kinds
        self._batches_of = batches_of
        self._files: dict[BatchKey, Fingerprint] = {}
        self._complete: set[BatchKey] = set()
        self._incomplete: dict[BatchKey, IncompleteUnit] = {}
        self._twice: dict[BatchKey, Problem] = {}
        self._beyond: dict[int, set[int]] = {}
        """Batches past the configured grid, by source mosaic: one problem for each mosaic."""

    def __len__(self) -> int:
        return len(self._files)

    @property
    def incomplete(self) -> tuple[IncompleteUnit, ...]:
        """Batches that lack files, in order."""
        return tuple(self._incomplete[key] for key in sorted(self._incomplete))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Tiles that are there twice, and mosaics with more tiles than the configuration says."""
        return (*self._twice.values(), *(self._too_many(mosaic) for mosaic in self._beyond))

    def update(
        self, touched: Mapping[BatchKey, list[TileFile]], known: Mapping[str, FileMark]
    ) -> Delta[BatchKey, Fingerprint]:
        """Take new files.

        Args:
            touched: batches any of whose files appeared, changed (with those files) or vanished.
            known: every file that is there by name; files that are not in it, or differ, are dropped.
        """
        changed: dict[BatchKey, Fingerprint] = {}
        gone: set[BatchKey] = set()
        for key, items in touched.items():
            for mark in self._files.get(key, ()):
                # Still the same object: neither gone nor among the new items.
                name = TileName.parse(mark[0]) if known.get(mark[0]) is mark else None
                if name is not None:
                    items.append((name.tile, name.kind or self._kinds[0], mark))
            items.sort()
            if self._is_complete(key, items):
                self._complete.add(key)
                changed[key] = self._files[key]
            elif key in self._complete:
                self._complete.remove(key)
                gone.add(key)
        return Delta(changed, gone)

    def _is_complete(self, key: BatchKey, items: list[TileFile]) -> bool:
        """Store a batch's files; items are sorted by tile and kind."""
        mosaic, batch = key
        self._incomplete.pop(key, None)
        self._twice.pop(key, None)
        if not items:
            self._files.pop(key, None)
            self._within(mosaic, batch)
            return False
        self._files[key] = tuple([item[2] for item in items])
        if batch > self._batches_of(mosaic):
            self._beyond.setdefault(mosaic, set()).add(batch)
            return False
        # Tile numbers alone decide it for most batches, at half the cost.
        if len({item[0] for item in items}) < len(items) and len({item[:2] for item in items}) < len(items):
            self._twice[key] = self._twofold(key, items)
            return False
        expected = self._grid_size_y * len(self._kinds)
        if len(items) == expected:
            return True
        files_of = dict.fromkeys(tiles_of_batch(batch, self._grid_size_y), 0)
        for item in items:
            files_of[item[0]] += 1
        missing = tuple(tile for tile, count in files_of.items() if count < len(self._kinds))
        self._incomplete[key] = IncompleteUnit(mosaic, batch, missing, expected - len(items), expected)
        return False

    def _twofold(self, key: BatchKey, items: list[TileFile]) -> Problem:
        one, other = next(pair for pair in pairwise(items) if pair[0][:2] == pair[1][:2])
        both = " and ".join(str(self._folder / item[2][0]) for item in (one, other))
        return Problem(
            f"mosaic {key[0]} batch {key[1]}", f"two {one[1]} files of tile {one[0]}: {both}; remove one of them"
        )

    def _within(self, mosaic: int, batch: int) -> None:
        beyond = self._beyond.get(mosaic, set())
        beyond.discard(batch)
        if not beyond:
            self._beyond.pop(mosaic, None)

    def _too_many(self, mosaic: int) -> Problem:
        expected = self._batches_of(mosaic)
        numbers = [
            name.tile
            for batch in self._beyond[mosaic]
            for mark in self._files[mosaic, batch]
            if (name := TileName.parse(mark[0])) is not None
        ]
        highest = max(numbers)
        return Problem(
            f"mosaic {mosaic}",
            f"tile {highest} is in batch {batch_of_tile(highest, self._grid_size_y)}, but the configuration says "
            f"{expected} batch(es) of {self._grid_size_y} tiles; batches after {expected} are left out. "
            "Mend grid_size_x or grid_size_y by setting the project up again",
        )
