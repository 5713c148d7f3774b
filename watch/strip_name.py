"""What the name of a strip's folder says."""

import re
from typing import NamedTuple

from opticstream.core.errors import BadInput
from opticstream.watch.name_pattern import NamePattern

DEFAULT_STRIP_PATTERN = "Run*"

_HIGHEST = 999_999_999  # what identifiers hold
_PARTS = re.compile(r"[^\W\d_]+([0-9]+)(?:_C([0-9]+))?(?:_([0-9]+))?", re.IGNORECASE)
_PROCESSED = "processed"  # where strips are moved to that are done with


class StripName(NamedTuple):
    """The numbers in the name of a strip's folder, each counted from 1."""

    run: int
    """The slice, before the slice offset."""
    channel: int
    strip: int

    @classmethod
    def parse(cls, name: str, pattern: str = DEFAULT_STRIP_PATTERN) -> "StripName | None":
        """Read one name; see `StripReader`."""
        return StripReader(pattern).read(name)

    def __str__(self) -> str:
        """Return the shortest name that says the same: ``Run3``, ``Run3_1``, ``Run3_C2_4``."""
        channel = f"_C{self.channel}" if self.channel > 1 else ""
        return f"Run{self.run}{channel}{f'_{self.strip - 1}' if self.strip > 1 else ''}"


class StripReader:
    """Reads the folder names that match a pattern.

    A strip's folder is called ``<letters><run>[_C<channel>][_<k>]``, any case: without ``_C…`` it is channel 1,
    without ``_k`` strip 1, and ``_k`` is strip k + 1. Folders whose name starts with ``processed`` are never strips.

    Args:
        pattern: glob patterns for folder names, separated by commas; case does not matter.

    Raises:
        BadInput: there is no pattern, or one names a folder in a folder.
    """

    def __init__(self, pattern: str = DEFAULT_STRIP_PATTERN) -> None:
        self._pattern = NamePattern(pattern, "folder name", DEFAULT_STRIP_PATTERN)

    def takes(self, name: str) -> bool:
        """Return whether a folder of this name is looked at."""
        return self._pattern.takes(name) and not name.lower().startswith(_PROCESSED)

    def read(self, name: str) -> StripName | None:
        """Return what a folder name says; None when it is not looked at.

        Raises:
            BadInput: it matches the pattern, but is no strip's name.
        """
        if not self.takes(name):
            return None
        match = _PARTS.fullmatch(name)
        numbers = [] if match is None else [int(match[1]), int(match[2] or 1), int(match[3] or 0) + 1]
        if not numbers or min(numbers) < 1 or max(numbers) > _HIGHEST:
            raise BadInput(
                name,
                found="a folder name that matches the pattern but says no strip",
                expected="letters, a run from 1, then _C and a channel from 1, then _ and a number, such as Run3, "
                "Run3_1, Run3_C2 or Run3_C2_4",
                action="Rename it, or narrow --pattern.",
            )
        return StripName(*numbers)
