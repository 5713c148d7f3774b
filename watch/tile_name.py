"""What an OCT tile's file name says."""

import re
from typing import Literal, NamedTuple

from opticstream.core.scan_config import TileSavingType
from opticstream.watch.name_pattern import NamePattern

TileKind = Literal["complex", "spectral"]
DEFAULT_PATTERN = "*cropped_focus*.nii"

_MOST_ENDINGS = 256
_NUMBERS = re.compile(r"mosaic_([0-9]+)_image_([0-9]+)_(.*)", re.IGNORECASE | re.DOTALL)
_KINDS: dict[TileSavingType, tuple[TileKind, ...]] = {
    "complex": ("complex",),
    "spectral": ("spectral",),
    "spectral_12bit": ("spectral",),
    "complex_with_spectral": ("complex", "spectral"),
    "processed_with_spectral": ("complex", "spectral"),
}


class TileName(NamedTuple):
    """The numbers in a tile's file name, and the kind of data the name says."""

    mosaic: int
    tile: int
    kind: TileKind | None
    """None: it says none, or both."""

    @classmethod
    def parse(cls, name: str) -> "TileName | None":
        """Read ``mosaic_<m>_image_<t>_…`` (any case, any width); None when it is not such a name."""
        match = _NUMBERS.fullmatch(name)
        if match is None:
            return None
        mosaic, tile, rest = match.groups()
        return cls(int(mosaic), int(tile), _kind(rest))


def _kind(rest: str) -> TileKind | None:
    rest = rest.lower()
    spectral = "spectral" in rest
    if spectral == ("processed" in rest or "complex" in rest):
        return None
    return "spectral" if spectral else "complex"


def kinds_of(saving_type: TileSavingType) -> tuple[TileKind, ...]:
    """Return the kinds of file every tile of a saving type has, in the order products list them."""
    return _KINDS[saving_type]


class TileReader:
    """Reads the names that match a pattern.

    Most files of a folder end alike, so what an ending means is looked up; the rest of the work is two numbers.

    Args:
        pattern: glob patterns for file names, separated by commas; case does not matter.

    Raises:
        BadInput: there is no pattern, or one names a folder.
    """

    def __init__(self, pattern: str = DEFAULT_PATTERN) -> None:
        names = NamePattern(pattern, "file name", DEFAULT_PATTERN)
        self._takes = names.takes
        # A leading star takes whatever stands before an ending that matches.
        self._endings_decide = all(glob.startswith("*") for glob in names.globs)
        self._endings: dict[str, tuple[TileKind | None, bool]] = {}

    def read(self, name: str) -> TileName | None:
        """Return what a file name says; None when it does not match the pattern or is no tile's name."""
        match = _NUMBERS.fullmatch(name)
        if match is None:
            return None
        mosaic, tile, rest = match.groups()
        known = self._endings.get(rest)
        if known is None:
            known = self._learn(rest)
        kind, surely = known
        if not surely and not self._takes(name):
            return None
        # Half the cost of TileName(...), for every new file.
        return tuple.__new__(TileName, (int(mosaic), int(tile), kind))

    def _learn(self, rest: str) -> tuple[TileKind | None, bool]:
        if len(self._endings) >= _MOST_ENDINGS:
            self._endings.clear()
        known = _kind(rest), self._endings_decide and self._takes(rest)
        self._endings[rest] = known
        return known
