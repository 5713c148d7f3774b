"""Who runs a session: a file in its metadata folder that names the launcher, and stays when the session is over."""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.files import sync_file, sync_folder, write_failed, write_text
from opticstream.core.process_identity import ProcessIdentity, is_alive

_NAME = "session_lock.json"
_NUMBERED = re.compile(r"session_lock(?:\.([0-9]{1,9}))?\.json")


class LockRecord(BaseModel):
    """One launcher's hold on a session."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    process_birth: str
    """Equal only for the same life of the same pid."""
    node: str | None = None
    """This launcher's name among those that agreed on the session's name; None: it agreed with nobody."""
    locked_at: datetime
    released_at: datetime | None = None

    @property
    def holder(self) -> ProcessIdentity:
        """Return the launcher."""
        return ProcessIdentity(self.host, self.pid, self.process_birth)

    def is_live(self, host: str) -> bool | None:
        """Say whether the launcher still runs the session; None when it is on another host and has not let go."""
        return False if self.released_at else is_alive(self.holder, host)


class SessionLock:
    """One launcher's hold on one metadata folder.

    The first holder's file is ``session_lock.json``; one that takes over from a dead holder writes
    ``session_lock.2.json``, and so on. A number can be taken only once, by the file system's word, so that of two
    launchers that find the same dead holder one wins.
    """

    def __init__(self, path: Path, record: LockRecord) -> None:
        self.path = path
        self.record = record

    @classmethod
    def take(cls, metadata: Path, identity: ProcessIdentity, *, node: str | None = None) -> "SessionLock":
        """Take the lock of a metadata folder that exists.

        Args:
            metadata: the session's ``launcher_metadata``.
            identity: this launcher.
            node: its name among launchers that agreed on the session's name.

        Raises:
            BadInput: somebody holds it, or may hold it on another host.
            WriteFailed: the folder cannot be written to.
        """
        number, current = _latest(metadata)
        if current is not None and current.is_live(identity.host) is not False:
            raise BadInput(
                str(metadata.parent),
                found=f"a session that {current.holder} runs since {current.locked_at.isoformat()}",
                expected="one that nobody runs",
                action="Wait for it, or end that launcher."
                if current.host == identity.host
                else f"Delete {_file(metadata, number).name} there if that launcher is gone.",
            )
        record = LockRecord(
            host=identity.host,
            pid=identity.pid,
            process_birth=identity.birth,
            node=node,
            locked_at=datetime.now(UTC),
        )
        path = _file(metadata, number + 1)
        try:
            _create(path, record.model_dump_json(indent=2))
        except FileExistsError:
            raise BadInput(
                str(metadata.parent), found="another launcher that took over this moment", expected="a free session"
            ) from None
        except OSError as error:
            raise write_failed(path, error) from None
        return cls(path, record)

    def release(self) -> None:
        """Say in the file that the session is over; again is nothing.

        Raises:
            WriteFailed: it cannot be written; a dead launcher's lock is free all the same.
        """
        if self.record.released_at:
            return
        released = self.record.model_copy(update={"released_at": datetime.now(UTC)})
        try:
            write_text(self.path, released.model_dump_json(indent=2))
        except OSError as error:
            raise write_failed(self.path, error) from None
        self.record = released


def read_lock(metadata: Path) -> LockRecord | None:
    """Return who holds or last held the session of a metadata folder; None if nobody ever did."""
    return _latest(metadata)[1]


def first_lock(metadata: Path) -> LockRecord | None:
    """Return who began the session of a metadata folder; None if nobody ever did.

    Raises:
        BadInput: the lock cannot be read.
    """
    path = _file(metadata, 1)
    return _read(path) if path.is_file() else None


def _latest(metadata: Path) -> tuple[int, LockRecord | None]:
    numbers = [int(match[1] or 1) for match in _matches(metadata)]
    if not numbers:
        return 0, None
    return max(numbers), _read(_file(metadata, max(numbers)))


def _matches(metadata: Path) -> Iterator[re.Match[str]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in metadata.iterdir():
            match = _NUMBERED.fullmatch(entry.name)
            if match:
                yield match


def _file(metadata: Path, number: int) -> Path:
    return metadata / (_NAME if number < 2 else f"session_lock.{number}.json")


def _read(path: Path) -> LockRecord | None:
    """Return what a lock says; one that cannot be read, of a version we do not know, is not ours to take."""
    try:
        return LockRecord.model_validate(_content(path))
    except (OSError, ValueError, ValidationError) as error:
        raise BadInput(
            str(path), found=f"a lock that cannot be read ({error})".splitlines()[0], expected="who runs the session"
        ) from None


def _content(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _create(path: Path, text: str) -> None:
    """Create a file that appears whole, and only if there is none of its name.

    On Windows renaming does that (not verified here); elsewhere a hard link, or where the file system has none an
    exclusive open, whose content is there a moment later.

    Raises:
        FileExistsError: there is one.
        OSError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with temporary.open("xb") as handle:
            handle.write(text.encode())
            sync_file(handle)
        if os.name == "nt":
            temporary.rename(path)
        else:
            _link(temporary, path, text)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path, text: str) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # FAT, some network shares
        with path.open("xb") as handle:
            handle.write(text.encode())
            sync_file(handle)
