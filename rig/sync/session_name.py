"""Session names that are one folder below the output root, on every rig's system."""

import re
import unicodedata

from opticstream.core.errors import BadInput

_LONGEST_BYTES = 200
_FORBIDDEN = frozenset('<>:"/\\|?*')
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\..*)?")
"""Names that are devices on Windows, whatever follows their first dot."""


def clean_session_name(text: str) -> str:
    """Return ``text`` as a folder name: what no rig can use becomes ``_``; at most 200 bytes of UTF-8.

    A clean name is returned unchanged, so that both sides of a barrier come to the same.

    Raises:
        BadInput: nothing is left.
    """
    name = "".join("_" if _is_unusable(char) else char for char in text).strip(" ")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    name = name.encode()[:_LONGEST_BYTES].decode(errors="ignore").rstrip(" .")
    if not name:
        raise BadInput("session name", found=repr(text[:80]), expected="a name that can be a folder")
    return name


def is_clean_session_name(name: str) -> bool:
    """Return whether ``name`` can be used as it is; one that cannot might leave the output root."""
    try:
        return clean_session_name(name) == name
    except BadInput:
        return False


def _is_unusable(char: str) -> bool:
    return char in _FORBIDDEN or unicodedata.category(char) in _INVISIBLE
