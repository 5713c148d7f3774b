"""Names of sessions that are names of folders on every system."""

import re
from datetime import datetime

from opticstream.core.errors import BadInput

LONGEST = 120
"""Characters of a session's name; Windows has 260 for a whole path."""
_LONGEST_BYTES = 200
_STAMP = "%Y-%m-%d_%H-%M-%S"
# Windows takes these for devices, in any case, with any ending, with a superscript for a digit as well.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)


def safe_name(text: str) -> str:
    """Return ``text`` as the name of one folder; the same on every system, and unchanged when it already is one.

    Characters other than letters, digits, ``.``, ``-`` and ``_`` become ``_``; dots at either end go; names that
    Windows keeps for devices get a ``_`` before them; what is too long is cut.

    Raises:
        BadInput: nothing is left.
    """
    name = re.sub(r"[^\w.\-]", "_", text.strip())
    name = _cut(name, LONGEST, _LONGEST_BYTES)
    if not name.strip("_"):
        raise BadInput("session name", found=repr(text), expected="letters or digits")
    if _DEVICE.match(name):
        name = _cut(f"_{name}", LONGEST, _LONGEST_BYTES)
    return name


def session_name(subject: str, at: datetime) -> str:
    """Return ``<subject>_YYYY-MM-DD_HH-MM-SS``.

    Args:
        subject: the subject's id; made fit for a folder, and cut so that the time stays.
        at: the session's start, in the rig's local time.

    Raises:
        BadInput: nothing of the subject's id is left.
    """
    stamp = at.strftime(_STAMP)
    try:
        name = safe_name(subject)
    except BadInput as error:
        raise BadInput("subject_id", found=error.found, expected=error.expected) from None
    room = len(stamp) + 1
    return f"{_cut(name, LONGEST - room, _LONGEST_BYTES - room)}_{stamp}"


def _cut(text: str, characters: int, octets: int) -> str:
    return text[:characters].encode()[:octets].decode("utf-8", "ignore").strip(".")
