"""A session's folder: made for one session, under a name that no other has, inside the output root."""

import contextlib
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from opticstream.core.errors import BadInput
from opticstream.core.files import write_failed
from opticstream.core.process_identity import ProcessIdentity
from opticstream.rig.session_lock import LockRecord, SessionLock, read_lock
from opticstream.rig.session_name import safe_name, session_name

METADATA = "launcher_metadata"
_SECONDS_TRIED = 600
_LOCK_APPEARS_S = 30.0
"""How long a folder of a launcher that agreed on the same name may be without its lock; its computer may stand still."""
_OTHER_SYSTEM = re.compile(r"[A-Za-z]:([\\/]|$)|\\\\")


class SessionFolder:
    """One session's folder, held by this launcher until :meth:`release`.

    Args:
        path: the folder.
        metadata: the folder in it for what the launcher writes.
        lock: this launcher's hold.
    """

    def __init__(self, path: Path, metadata: Path, lock: SessionLock) -> None:
        self.path, self.metadata, self.lock = path, metadata, lock

    @property
    def name(self) -> str:
        """Return the session's name."""
        return self.path.name

    def release(self) -> None:
        """Say that the session is over.

        Raises:
            WriteFailed: the lock cannot be written; a dead launcher's lock is free all the same.
        """
        self.lock.release()

    def __enter__(self) -> Self:
        """Return the folder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()


def create_session_folder(
    root: Path,
    subject: str,
    identity: ProcessIdentity,
    *,
    name: str | None = None,
    node: str | None = None,
    now: datetime | None = None,
) -> SessionFolder:
    """Make a new session's folder and its ``launcher_metadata``, and lock it.

    Without a name it is ``<subject>_YYYY-MM-DD_HH-MM-SS`` in local time; if that second is taken, by any process,
    the next free one, without waiting. A given name is taken as it is (made fit for a folder), and is refused when
    a session has it. Launchers that agreed on a name may share its folder when they share the root: the second one
    writes its metadata to ``launcher_metadata_<node>``.

    Args:
        root: the output root; made if it is not there.
        subject: the subject's id.
        identity: this launcher.
        name: the session's name, from the parameters or from session sync.
        node: this launcher's name among those that agreed on ``name``; None: nobody agreed.
        now: the session's start; default: now, local time.

    Raises:
        BadInput: the name is taken or says nothing, or the root is a path of another system.
        WriteFailed: a folder cannot be made.
    """
    if _OTHER_SYSTEM.match(str(root)) and not root.is_absolute():
        raise BadInput(
            "output_root_folder",
            found=f"{root}, a Windows path",
            expected="a folder of this system",
            action="Set it for this computer: --set output_root_folder=FOLDER.",
        )
    root = root.expanduser().absolute()
    _make(root, parents=True)
    if name is None:
        path = _next_free(root, subject, now or datetime.now().astimezone())
    else:
        path = root / safe_name(name)
        if not _made(path):
            return _joined(path, identity, node)
    metadata = path / METADATA
    try:
        _make(metadata)
        return SessionFolder(path, metadata, SessionLock.take(metadata, identity, node=node))
    except BaseException:
        for folder in (metadata, path):  # leave nothing of a session that never was
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def open_session_folder(path: Path, identity: ProcessIdentity) -> SessionFolder:
    """Take over the folder of a session whose launcher is gone, to finish it.

    Args:
        path: the session's folder; where launchers share it, the metadata folder of the one that is gone.
        identity: of this process.

    Raises:
        BadInput: it is no session's folder, or its launcher still runs it, or may on another host.
        WriteFailed: it cannot be written to.
    """
    metadata = path if path.name.startswith(METADATA) else path / METADATA
    if not metadata.is_dir():
        raise BadInput(str(path), found=f"a folder without {METADATA}", expected="a session's folder")
    return SessionFolder(metadata.parent, metadata, SessionLock.take(metadata, identity))


def session_locks(path: Path) -> dict[str, LockRecord]:
    """Return who runs or ran a session, by metadata folder; several when launchers share its folder.

    Raises:
        BadInput: a lock cannot be read.
    """
    found = {folder.name: read_lock(folder) for folder in sorted(path.glob(f"{METADATA}*")) if folder.is_dir()}
    return {name: record for name, record in found.items() if record}


def _next_free(root: Path, subject: str, start: datetime) -> Path:
    for second in range(_SECONDS_TRIED):
        path = root / session_name(subject, start + timedelta(seconds=second))
        if _made(path):
            return path
    raise BadInput(str(path), found="a session in each of the next 10 minutes", expected="a time that is free")


def _joined(path: Path, identity: ProcessIdentity, node: str | None) -> SessionFolder:
    """Share a folder that launchers with the same agreed name made, if this one has no part in it yet."""
    records = _records(path, _LOCK_APPEARS_S if node else 0)
    agreed = bool(records) and all(record.node for record in records.values())
    if node is not None and agreed and any(record.node == node for record in records.values()):
        raise BadInput(
            str(path),
            found=f"a session of that name by a launcher that is called {node}, too",
            expected="a name of its own for each launcher in one output root, or a new session's name",
            action="Give each its own session_sync_node_name; by default it is the computer's.",
        )
    if node is None or not agreed:
        raise BadInput(
            str(path),
            found="a file or folder of that name",
            expected="a name that no session has",
            action="Take session_uuid and session_sync_session_name away, or give another name.",
        )
    metadata = path / f"{METADATA}_{safe_name(node)}"
    if not _made(metadata):
        raise BadInput(str(metadata), found="a folder of that name", expected="a name of its own for each launcher")
    return SessionFolder(path, metadata, SessionLock.take(metadata, identity, node=node))


def _records(path: Path, patience_s: float) -> dict[str, LockRecord]:
    """Return the locks in a folder; one that was made this moment gets the first of them in a moment."""
    deadline = time.monotonic() + patience_s
    while path.is_dir():
        found = session_locks(path)
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
    return {}


def _made(path: Path) -> bool:
    """Make one folder; False if something of that name is there, so that of two makers one wins."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise write_failed(path, error) from None
    return True


def _make(path: Path, *, parents: bool = False) -> None:
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise write_failed(path, error) from None
