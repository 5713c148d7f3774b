"""Finds batches of OCT tiles: one listing of the folder and at most one stat per file and pass."""

import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.oct_layout import batch_of_tile
from opticstream.watch.delta import Delta
from opticstream.watch.engine import FileMark, Fingerprint
from opticstream.watch.listing import listing
from opticstream.watch.mosaic_ranges import MosaicRanges
from opticstream.watch.oct_batches import BatchKey, OCTBatches, TileFile
from opticstream.watch.report import IncompleteUnit, Problem
from opticstream.watch.tile_name import DEFAULT_PATTERN, TileKind, TileName, TileReader

_NEW: FileMark = ("", -1, -1)
_FILE_TYPE = stat.S_IFMT(0xFFFF)
_WINDOWS = sys.platform == "win32"


@dataclass(slots=True)
class _Sight:
    """What one listing differs in; applied only when the listing ran to its end."""

    seen: list[FileMark] = field(default_factory=list)
    touched: dict[BatchKey, list[TileFile]] = field(default_factory=dict)
    """New and changed files by batch."""
    fresh: dict[str, FileMark] = field(default_factory=dict)
    """The same by name."""
    changed: int = 0
    """How many of them were known before."""
    unrelated: set[str] = field(default_factory=set)
    odd: dict[str, str] = field(default_factory=dict)
    """Why something named like a tile is left out."""


class OCTSource:
    """Discovers batches directly in a folder.

    What is known of each file is one tuple, shared with the fingerprints, and an unchanged file costs its stat and
    two comparisons; names are parsed when files appear or change.

    Args:
        folder: the acquisition folder; not its subfolders.
        grid_size_y: tiles per batch.
        kinds: the kinds of file each tile must have.
        batches_of: how many batches a source mosaic has.
        ranges: the source mosaics to take.
        pattern: file name patterns separated by commas, any case.

    Raises:
        BadInput: the pattern is none.
    """

    def __init__(
        self,
        folder: Path,
        *,
        grid_size_y: int,
        kinds: tuple[TileKind, ...],
        batches_of: Callable[[int], int],
        ranges: MosaicRanges,
        pattern: str = DEFAULT_PATTERN,
    ) -> None:
        self._folder = folder
        self._grid_size_y = grid_size_y
        self._kinds = kinds
        self._plain_kinds: frozenset[TileKind | None] = frozenset(kinds if len(kinds) > 1 else (*kinds, None))
        self._ranges = ranges
        self._mosaics: set[int] = set()
        """Mosaics found to be in the ranges."""
        self._read = TileReader(pattern).read
        self._known: dict[str, FileMark] = {}
        self._order: list[FileMark] = []
        """The files that were unchanged in the last pass, as they were listed."""
        self._unrelated: set[str] = set()
        self._odd: dict[str, str] = {}
        self._other_kind: Problem | None = None
        self._batches = OCTBatches(folder, grid_size_y=grid_size_y, kinds=kinds, batches_of=batches_of)

    @property
    def files(self) -> int:
        """Tile files in the folder at the last pass."""
        return len(self._known)

    @property
    def units(self) -> int:
        """Batches with at least one file at the last pass."""
        return len(self._batches)

    @property
    def incomplete(self) -> tuple[IncompleteUnit, ...]:
        """Batches that lack files."""
        return self._batches.incomplete

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands in the way in the folder, files first."""
        odd = (Problem(str(self._folder / name), why) for name, why in self._odd.items())
        other = () if self._other_kind is None else (self._other_kind,)
        return (*odd, *other, *self._batches.problems)

    def kind_of(self, mark: FileMark) -> TileKind:
        """Return the kind of a tile file that was listed."""
        name = TileName.parse(mark[0])
        return self._kinds[0] if name is None or name.kind is None else name.kind

    def poll(self) -> Delta[BatchKey, Fingerprint]:
        """Look at the folder once and return which complete batches are new, different or gone.

        Raises:
            OSError: the folder cannot be listed; everything known is kept.
        """
        sight = self._look()
        known, touched = self._known, sight.touched
        self._order = sight.seen
        self._unrelated, self._odd = sight.unrelated, sight.odd
        vanished: set[str] = set()
        if len(sight.seen) + sight.changed < len(known):
            vanished = known.keys() - {mark[0] for mark in sight.seen}
        known.update(sight.fresh)
        vanished -= sight.fresh.keys()
        for name in vanished:
            del known[name]
            gone = TileName.parse(name)
            if gone is not None:
                touched.setdefault((gone.mosaic, batch_of_tile(gone.tile, self._grid_size_y)), [])
        return self._batches.update(touched, known) if touched else Delta()

    def _look(self) -> _Sight:
        sight = _Sight()
        keep = sight.seen.append
        get = self._known.get
        # A folder nobody writes to lists its files in the same order every time, and a comparison with the file
        # expected next is cheaper than looking the name up.
        expected = iter(self._order)
        with listing(self._folder) as entries:
            for entry in entries:
                name = entry.name
                mark = next(expected, _NEW)
                if mark[0] != name:
                    mark = get(name, _NEW)
                    if mark is _NEW:
                        self._look_closer(entry, sight)
                        continue
                try:
                    # Windows lists the size a file had when it was last closed; only a stat of its own is current.
                    found = os.stat(entry.path) if _WINDOWS else entry.stat()  # noqa: PTH116 - a Path per file is slow
                except OSError as error:
                    _cannot_stat(name, error, sight)
                    continue
                if mark[1] == found.st_mtime_ns and mark[2] == found.st_size:
                    keep(mark)
                else:
                    self._look_closer(entry, sight, found)
        return sight

    def _look_closer(self, entry: "os.DirEntry[str]", sight: _Sight, found: os.stat_result | None = None) -> None:
        """Decide about a name that is new or whose file differs."""
        name = entry.name
        tile = None if name in self._unrelated else self._read(name)
        if tile is None:
            sight.unrelated.add(name)
            return
        mosaic, number, kind = tile
        if mosaic not in self._mosaics or kind not in self._plain_kinds or number < 1:
            if not self._is_wanted(name, tile):
                sight.unrelated.add(name)
                return
            if why := self._not_a_tile(tile):
                sight.odd[name] = why
                return
            self._mosaics.add(mosaic)
        if found is None:
            try:
                found = os.stat(entry.path) if _WINDOWS else entry.stat()  # noqa: PTH116 - a Path per file is slow
            except OSError as error:
                _cannot_stat(name, error, sight)
                return
            known = 0
        else:
            known = 1
        if found.st_mode & _FILE_TYPE != stat.S_IFREG:
            sight.odd[name] = "named like a tile, but not a regular file; left out"
            return
        sight.changed += known
        sight.fresh[name] = mark = (name, found.st_mtime_ns, found.st_size)
        file = number, kind or self._kinds[0], mark
        key = mosaic, (number - 1) // self._grid_size_y + 1
        files = sight.touched.get(key)
        if files is None:
            sight.touched[key] = [file]
        else:
            files.append(file)

    def _is_wanted(self, name: str, tile: TileName) -> bool:
        if tile.mosaic > 0 and tile.mosaic not in self._ranges:
            return False
        if tile.kind is None or tile.kind in self._kinds:
            return True
        if self._other_kind is None:  # said once: a folder may hold thousands of them
            self._other_kind = Problem(
                str(self._folder / name),
                f"a {tile.kind} file, but tile_saving_type asks for {self._kinds[0]} files; all such are left out",
            )
        return False

    def _not_a_tile(self, tile: TileName) -> str:
        if tile.mosaic < 1 or tile.tile < 1:
            return "mosaics and tiles are counted from 1; left out"
        if tile.kind is None and len(self._kinds) > 1:
            return (
                "the name must say either spectral or processed (or complex), since tiles are saved as both; left out"
            )
        return ""


def _cannot_stat(name: str, error: OSError, sight: _Sight) -> None:
    if not isinstance(error, FileNotFoundError):  # gone between listing and stat: nothing special
        sight.odd[name] = f"cannot be looked at: {error.strerror or error}"
