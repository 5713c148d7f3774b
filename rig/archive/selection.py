"""Which files of a session go to an archive."""

import fnmatch
import os
import re
from collections.abc import Callable, Sequence

from opticstream.rig.session_folder import METADATA

_LIVE = ("launcher.log", "resource_usage.json", "session_lock*.json")
"""What the launcher goes on writing in its metadata folder while a session is archived."""


def selector(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Return what says whether a relative path (``/`` between folders) is wanted.

    A pattern (``*``, ``?``, ``[…]``) is held against the whole path and against the last name, with the system's own
    idea of upper and lower case; ``*`` matches ``/`` too. What is excluded is not wanted, whatever includes it.
    """
    wanted, unwanted = _any_of(include), _any_of(exclude)
    return lambda path: wanted(path) and not unwanted(path)


def always_archived(path: str) -> bool:
    """Say whether no pattern can leave a file out: metadata folders, and the JSON files that describe the session."""
    folder, _, rest = path.partition("/")
    return folder.startswith(METADATA) if rest else path.lower().endswith(".json")


def is_live(path: str) -> bool:
    """Say whether the launcher writes a file while the session is archived."""
    folder, _, name = path.rpartition("/")
    return folder.startswith(METADATA) and any(fnmatch.fnmatchcase(name, pattern) for pattern in _LIVE)


def _any_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    texts = [fnmatch.translate(os.path.normcase(pattern)) for pattern in patterns]
    compiled = [re.compile(text) for text in texts]

    def matches(path: str) -> bool:
        whole = os.path.normcase(path)
        name = os.path.normcase(path.rpartition("/")[2])
        return any(pattern.match(whole) or pattern.match(name) for pattern in compiled)

    return matches
