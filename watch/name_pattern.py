"""Which names a watcher takes: glob patterns separated by commas, any case."""

import fnmatch
import re

from opticstream.core.errors import BadInput


class NamePattern:
    """Glob patterns for names, separated by commas; case does not matter.

    Args:
        pattern: the patterns, ``Run*, Scan*``.
        what: what they name, for the error: ``file name``.
        example: a pattern that would do, for the error.

    Raises:
        BadInput: there is no pattern, or one names a folder.
    """

    def __init__(self, pattern: str, what: str, example: str) -> None:
        self.globs = [part.strip() for part in pattern.split(",") if part.strip()]
        if not self.globs or any("/" in glob or "\\" in glob for glob in self.globs):
            raise BadInput(
                "--pattern",
                found=repr(pattern),
                expected=f"{what} patterns separated by commas, such as {example}",
            )
        self._match = re.compile("|".join(fnmatch.translate(glob) for glob in self.globs), re.IGNORECASE).match

    def takes(self, name: str) -> bool:
        """Return whether a name matches one of the patterns."""
        return self._match(name) is not None
