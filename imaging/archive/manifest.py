"""The list of an archive's files: what ``sha256sum -c`` reads, and the sizes and times it has no place for."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import read_failed

SUMS_NAME: Final = "SHA256SUMS"
"""Checksums, one line per file; written last, so a folder without it is no archive."""
SIZES_NAME: Final = "SIZES.json"
"""Sizes, times and folders. JSON, because paths may hold tabs and newlines and JSON needs no rules of ours for them."""

_LINE = re.compile(r"(?P<escaped>\\?)(?P<sha256>[0-9a-fA-F]{64}) [ *](?P<path>.+)", re.DOTALL)
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
_FORMAT = "opticstream archive 1"


class ArchivedFile(NamedTuple):
    """One file of an archive."""

    path: str
    """Relative to the archive's folder, ``/`` between folders."""
    size: int
    """Bytes."""
    sha256: str
    """64 lower-case hexadecimal digits."""
    mtime_ns: int
    """Time of the last change at the source, ns since 1970."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of an archive, by path."""

    files: tuple[ArchivedFile, ...]
    folders: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Iterable[ArchivedFile], folders: Iterable[str] = ()) -> "Manifest":
        """Return the manifest of these files, in the one order that makes equal archives' manifests equal bytes."""
        return cls(tuple(sorted(files)), tuple(sorted(folders)))

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """Checksum of the list itself: it stands for the whole content, and is what a state row keeps."""
        return hashlib.sha256(self.sums()).hexdigest()

    @property
    def states(self) -> dict[str, tuple[int, int]]:
        """(size, mtime_ns) of each source file when it was copied, by path: what a clean-up may remove."""
        return {file.path: (file.size, file.mtime_ns) for file in self.files}

    def sums(self) -> bytes:
        """Return the content of ``SHA256SUMS``, in the format of GNU ``sha256sum``.

        Raises:
            BadInput: a path cannot be written down.
        """
        return b"".join(_line(file.sha256, file.path) for file in self.files)

    def sizes(self) -> bytes:
        """Return the content of ``SIZES.json``."""
        content = {
            "format": _FORMAT,
            "sha256sums": self.sha256,
            "folders": self.folders,
            "files": {file.path: {"size": file.size, "mtime_ns": file.mtime_ns} for file in self.files},
        }
        return json.dumps(content, indent=1).encode("ascii") + b"\n"


def _line(sha256: str, path: str) -> bytes:
    """Return one line; a name with a backslash or line break is escaped and the line marked, as GNU does."""
    check_relative(path, path)
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == path else "\\"
    try:
        return f"{mark}{sha256}  {escaped}\n".encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadInput(repr(path), found="a name that is not Unicode", expected="another name") from None


def check_relative(path: str, where: str) -> str:
    """Return a manifest's path unchanged.

    Raises:
        BadFile: it is empty, absolute, or leads out of the folder.
    """
    parts = path.split("/")
    foreign = "\0" in path or Path(path).anchor or (os.sep != "/" and os.sep in path)
    if foreign or any(part in ("", ".", "..") for part in parts):
        raise BadFile(where, found=repr(path), expected="a path below the folder")
    return path


def parse_sums(data: bytes, where: str) -> dict[str, str]:
    """Read the lines of a ``SHA256SUMS`` file, also one made by ``sha256sum --binary`` or with Windows line ends.

    Args:
        data: the file's content.
        where: its name, for errors.

    Returns:
        Checksums by path.

    Raises:
        BadFile: naming the line that is no checksum and path, leads out of the folder, or names a file again.
    """
    sums: dict[str, str] = {}
    lines = data.split(b"\n")
    if lines.pop():
        raise BadFile(where, found="a last line without its end", expected="whole lines", action="Copy it again.")
    for number, raw in enumerate(lines, 1):
        here = f"{where}, line {number}"
        match = _LINE.fullmatch(raw.removesuffix(b"\r").decode("utf-8", "surrogateescape"))
        if match is None:
            raise BadFile(here, found=repr(raw[:80]), expected="64 hexadecimal digits, two spaces and a path")
        path = check_relative(_unescaped(match["path"], here) if match["escaped"] else match["path"], here)
        if path in sums:
            raise BadFile(here, found=f"{path!r} again", expected="each file once")
        sums[path] = match["sha256"].lower()
    return sums


def _unescaped(path: str, where: str) -> str:
    plain = re.sub(r"\\(?:\\|n|r)", lambda match: _ESCAPES[match[0]], path)
    if "\\" in re.sub(r"\\(?:\\|n|r)", "", path):
        raise BadFile(where, found=repr(path), expected=r"only \\, \n and \r in an escaped name")
    return plain


def is_whole_archive(folder: Path) -> bool:
    """Say whether a folder's manifest is there: it is written last."""
    return (folder / SUMS_NAME).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Read an archive's two lists and check that they belong together.

    Raises:
        BadFile: the folder is no archive, a list cannot be read, or one of them was changed.
    """
    manifest, recorded = read_lists(folder)
    if manifest.sha256 != recorded:
        raise BadFile(
            str(folder / SUMS_NAME),
            found=f"SHA-256 {manifest.sha256}",
            expected=f"{recorded}, as {SIZES_NAME} says",
            action="One of the lists was changed after the archive was made.",
        )
    return manifest


def read_lists(folder: Path) -> tuple[Manifest, str]:
    """Read an archive's two lists; return them and the checksum that ``SHA256SUMS`` had when it was written.

    Raises:
        BadFile: the folder is no archive, a list cannot be read, or they name different files.
    """
    sums = parse_sums(_content(folder / SUMS_NAME), str(folder / SUMS_NAME))
    states, folders, digest = _parse_sizes(_content(folder / SIZES_NAME), folder / SIZES_NAME)
    if sums.keys() != states.keys():
        odd = min(sums.keys() ^ states.keys())
        place, other = (SUMS_NAME, SIZES_NAME) if odd in states else (SIZES_NAME, SUMS_NAME)
        raise BadFile(str(folder / place), found=f"no {odd!r}", expected=f"the same files as in {other}")
    files = (ArchivedFile(path, states[path][0], sums[path], states[path][1]) for path in sums)
    return Manifest.of(files, folders), digest


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadFile(
            str(path.parent),
            found=f"no {path.name}",
            expected="a folder that was archived",
            action="The archive is not complete, or this is another folder.",
        ) from None
    except OSError as error:
        raise read_failed(path, error) from None


def _parse_sizes(data: bytes, path: Path) -> tuple[dict[str, tuple[int, int]], list[str], str]:
    try:
        content: Any = json.loads(data)
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}")
        states = {name: _state(value) for name, value in content["files"].items()}
        folders = [check_relative(name, str(path)) for name in content["folders"]]
        return states, folders, str(content["sha256sums"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(str(path), found=f"{type(error).__name__}: {error}", expected=f"JSON of {_FORMAT!r}") from None


def _state(value: Mapping[str, object]) -> tuple[int, int]:
    size, mtime_ns = value["size"], value["mtime_ns"]
    if type(size) is not int or type(mtime_ns) is not int or size < 0:
        raise ValueError(f"size {size!r}, mtime_ns {mtime_ns!r}")
    return size, mtime_ns
