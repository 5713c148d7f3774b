"""What an archiver did, one line after the other, so that a rerun begins where the last run was cut off."""

import contextlib
import json
import logging
import os
import re
import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from opticstream.core.files import atomic_file, rename
from opticstream.rig.archive.request import ArchiveRequest

log = logging.getLogger(__name__)
_FORMAT = "opticstream session archive 1"
_LINE = re.compile(rb"([0-9a-f]{8}) (\{.*\})")


@dataclass(frozen=True, slots=True)
class Record:
    """One file of a session, as it was when it was read for its copies."""

    path: str
    size: int
    """Bytes."""
    mtime_ns: int
    """Of the source, ns since 1970."""
    checksum: str
    read_at_ns: int
    """When it was read, ns since 1970."""
    snapshot: bool = False
    """It was still being written: this is what it was then."""

    def as_json(self) -> dict[str, Any]:
        """Return it as one line holds it."""
        line = {"f": self.path, "s": self.size, "m": self.mtime_ns, "h": self.checksum, "r": self.read_at_ns}
        return line | ({"x": 1} if self.snapshot else {})


@dataclass(frozen=True, slots=True)
class Copy:
    """One file of a session at one target."""

    record: Record
    mtime_ns: int | None
    """Of the copy. None: it was about to get its name when the archiver was cut off."""


class Journal:
    """The copies that an archiver made, by target and path; kept in a file that is only appended to.

    Before a copy gets its name its content is written down, so that after a cut a file at a target can be told from
    one that others put there. A line that is torn at the end is what a cut leaves. Where other lines are damaged the
    file is kept aside and a new one is made of those that are whole; what they do not say is found out by reading.
    A disk that takes no line is a warning: the copies count, only a rerun will have to read them again.
    """

    def __init__(self, path: Path, request: ArchiveRequest) -> None:
        self.path = path
        self.created_at = datetime.now(UTC).isoformat()
        self.algorithm = request.algorithm
        self._roots = {name: str(root) for name, root in request.targets.items()}
        self._copies: dict[str, dict[str, Copy]] = {name: {} for name in self._roots}
        self._written: dict[str, dict[str, set[str]]] = {name: {} for name in self._roots}
        self._lock = threading.Lock()
        self._handle: IO[bytes] | None = None

    def open(self, *, read_only: bool = False) -> Self:
        """Read what there is and make ready to append."""
        content = _read(self.path)
        self._take(content.lines)
        if read_only:
            return self
        try:
            if content.damaged:
                self._keep_aside(content.lines)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self.path.open("ab", buffering=0)
            if content.torn and not content.damaged:
                self._handle.truncate(self._handle.seek(0, os.SEEK_END) - content.torn)
        except OSError as error:
            self._give_up(error)
        run = {"run": _FORMAT, "at": datetime.now(UTC).isoformat(), "algorithm": self.algorithm, "to": self._roots}
        self._append([run])
        return self

    def close(self) -> None:
        """Make the last lines durable."""
        with self._lock:
            handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError), handle:
                os.fsync(handle.fileno())

    def copies(self, target: str) -> Mapping[str, Copy]:
        """Return what is written down about a target, by path."""
        return self._copies[target]

    def is_ours(self, target: str, path: str, checksum: str) -> bool:
        """Say whether an archiver of this session put, or was about to put, that content there."""
        return checksum in self._written[target].get(path, ())

    def intend(self, records: Iterable[tuple[Record, Iterable[str]]]) -> None:
        """Write down what is about to get its name, and at which targets; durable when this returns."""
        lines: list[dict[str, Any]] = []
        for record, targets in records:
            names = list(targets)
            lines.append(record.as_json() | {"t": dict.fromkeys(names)})
            for name in names:
                self._put(name, Copy(record, None))
        self._append(lines, durable=True)

    def done(self, copies: Iterable[tuple[Record, Mapping[str, int]]]) -> None:
        """Write down what has its name: the time each copy has, ns since 1970, by target."""
        lines = []
        for record, times in copies:
            lines.append(record.as_json() | {"t": dict(times)})
            for name, mtime_ns in times.items():
                self._put(name, Copy(record, mtime_ns))
        self._append(lines)

    def _put(self, target: str, copy: Copy) -> None:
        path, checksum = copy.record.path, copy.record.checksum
        with self._lock:
            self._copies[target][path] = copy
            self._written[target].setdefault(path, set()).add(checksum)

    def _take(self, lines: Iterable[dict[str, Any]]) -> None:
        """Take lines of runs to the same targets with the same algorithm; another target knows nothing of them."""
        names: dict[str, str] = {}
        first = True
        for line in lines:
            if "run" in line:
                if first:
                    self.created_at, first = str(line["at"]), False
                same = line["algorithm"] == self.algorithm
                names = {name: name for name, root in line["to"].items() if same and self._roots.get(name) == root}
                continue
            record = Record(line["f"], line["s"], line["m"], line["h"], line["r"], bool(line.get("x")))
            for name, mtime_ns in line["t"].items():
                if name in names:
                    self._put(name, Copy(record, mtime_ns))

    def _append(self, lines: Iterable[dict[str, Any]], *, durable: bool = False) -> None:
        data = b"".join(_line(line) for line in lines)
        with self._lock:
            if self._handle is None:
                return
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._handle.write(rest) :]
                if durable:
                    os.fsync(self._handle.fileno())
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.warning(
            "%s: cannot be written (%s); archiving goes on, but the next run will have to read the copies again",
            self.path,
            error.strerror or error,
        )
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _keep_aside(self, lines: Iterable[dict[str, Any]]) -> None:
        aside = free_name(self.path, "damaged")
        rename(self.path, aside)
        log.warning("%s: is damaged; kept as %s, and made anew from the files", self.path, aside.name)
        with atomic_file(self.path) as handle:
            for line in lines:
                handle.write(_line(line))


def free_name(path: Path, word: str) -> Path:
    """Return ``{name}.{word}-1``, or -2, …: the first that is free."""
    number = 1
    while os.path.lexists(free := path.with_name(f"{path.name}.{word}-{number}")):
        number += 1
    return free


def last_run(path: Path) -> tuple[str, dict[str, str]] | None:
    """Return algorithm and target folders of the last run that a journal tells of; None if it tells of none."""
    runs = [line for line in _read(path).lines if "run" in line]
    return (runs[-1]["algorithm"], runs[-1]["to"]) if runs else None


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(text), text)


class _Content(NamedTuple):
    lines: list[dict[str, Any]]
    damaged: bool
    torn: int
    """Bytes of a last line that has no end: what a cut leaves."""


def _read(path: Path) -> _Content:
    """Return the whole lines of a journal, and whether others are damaged."""
    try:
        *raws, torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return _Content([], False, 0)
    except OSError:  # a folder, or nothing this user may read
        return _Content([], True, 0)
    matches = [_LINE.fullmatch(raw) for raw in raws]
    found = [_parsed(match[2]) if match and int(match[1], 16) == zlib.crc32(match[2]) else None for match in matches]
    lines = [line for line in found if line is not None]
    return _Content(lines, len(lines) < len(found), len(torn))


def _parsed(text: bytes) -> dict[str, Any] | None:
    """Return a line's content; None if it is not what this version writes."""
    try:
        line: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    known = line.get("run") == _FORMAT if "run" in line else {"f", "s", "m", "h", "r", "t"} <= line.keys()
    return line if known else None
