"""What an OCT tile's file name says."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from opticstream.core.errors import BadInput
from opticstream.core.scan_config import TileSavingType

TileKind = Literal["complex", "spectral"]
DEFAULT_PATTERN = "*cropped_focus*.nii"

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


@lru_cache(maxsize=64)  # most files of a folder end alike
def _kind(rest: str) -> TileKind | None:
    rest = rest.lower()
    spectral = "spectral" in rest
    if spectral == ("processed" in rest or "complex" in rest):
        return None
    return "spectral" if spectral else "complex"


def kinds_of(saving_type: TileSavingType) -> tuple[TileKind, ...]:
    """Return the kinds of file every tile of a saving type has, in the order products list them."""
    return _KINDS[saving_type]


def name_filter(pattern: str = DEFAULT_PATTERN) -> Callable[[str], object]:
    """Return a test of file names against glob patterns separated by commas; case does not matter.

    Raises:
        BadInput: there is no pattern, or one names a folder.
    """
    globs = [part.strip() for part in pattern.split(",") if part.strip()]
    if not globs or any("/" in glob or "\\" in glob for glob in globs):
        raise BadInput(
            "--pattern",
            found=repr(pattern),
            expected=f"file name patterns separated by commas, such as {DEFAULT_PATTERN}",
        )
    if len(globs) == 1 and not set("?[") & set(globs[0]):
        return partial(_has_parts, *_parts(globs[0]))
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs), re.IGNORECASE).match


def _parts(glob: str) -> tuple[str, tuple[str, ...], str | None]:
    start, *rest = glob.lower().split("*")
    return start, tuple(rest[:-1]), rest[-1] if rest else None


def _has_parts(start: str, middle: tuple[str, ...], end: str | None, name: str) -> bool:
    """Match a glob that has only stars; asked for every new file, and twice as fast as the regular expression."""
    name = name.lower()
    if end is None:
        return name == start
    if not name.startswith(start) or not name.endswith(end):
        return False
    at = len(start)
    for part in middle:
        at = name.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return at <= len(name) - len(end)
