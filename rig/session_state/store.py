"""The file of session states: always whole, one writer at a time, a broken one set aside."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from opticstream.core.errors import BadFile, WriteFailed
from opticstream.core.files import read_failed, rename, sync_folder, write_failed, write_text
from opticstream.rig.session_state.document import STATES, Document, describe, is_document, with_state

FILE_NAME = "session_state.json"
_LOCK_S = 30.0
_log = logging.getLogger(__name__)


class BrokenState(BadFile):
    """Raised when the file could be read but is no state file."""


class SessionStateStore:
    """One state file; several processes, on several computers, may use it at once.

    Args:
        directory: the session's folder.
        name: the file's name in it.
    """

    def __init__(self, directory: str | Path, name: str = FILE_NAME) -> None:
        self.path = Path(directory) / name

    def read(self) -> Document | None:
        """Return the file's document, None when there is no file.

        Raises:
            BadFile: it cannot be read or is no state file.
        """
        try:
            data = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise self._broken(f"what is not JSON ({error})"[:200]) from None
        except OSError as error:
            raise read_failed(self.path, error) from None
        if not is_document(data):
            raise self._broken("JSON of another shape")
        document: Document = data
        return document

    def put(self, kind: type, attributes: dict[str, Any]) -> None:
        """Write one class's attributes (JSON data), keeping the states of others.

        A file that is no state file is renamed to ``….corrupt-<time>`` first.

        Raises:
            BadFile: what is there cannot be read.
            WriteFailed: the folder cannot be written to, or another process keeps the file for 30 s; the file is as
                it was.
        """
        with self._writing():
            try:
                before = self.read()
            except BrokenState as error:
                self._set_aside(error)
                before = None
            write_text(self.path, json.dumps(with_state(before, kind, attributes), indent=2) + "\n")

    def remove(self, name: str) -> bool:
        """Remove one namespace, and the file when it was the last; return whether it was there.

        Raises:
            BadFile: it is no state file; it is left alone.
            WriteFailed: as `put`.
        """
        if not self.path.exists():
            return False
        with self._writing():
            document = self.read()
            if document is None or document[STATES].pop(name, None) is None:
                return False
            if document[STATES]:
                write_text(self.path, json.dumps(document, indent=2) + "\n")
            else:
                self._delete()
            return True

    def remove_all(self) -> bool:
        """Delete the file, whatever is in it; return whether it was there.

        Raises:
            WriteFailed: as `put`.
        """
        if not self.path.exists():
            return False
        with self._writing():
            return self._delete()

    def describe(self) -> dict[str, Any] | None:
        """Return what the file holds without the values, None when there is no file.

        Raises:
            BadFile: it cannot be read or is no state file.
        """
        document = self.read()
        return None if document is None else describe(document)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the file against other writers, and clean up what a killed one left."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
                    left.unlink(missing_ok=True)
                yield
        except Timeout:
            raise WriteFailed(str(self.path), found=f"another process has kept it for {_LOCK_S:g} s") from None
        except OSError as error:
            raise write_failed(self.path, error) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=_LOCK_S)
        try:
            lock.acquire()
        except NotImplementedError:
            _log.warning("%s: its file system has no locks; save from one computer at a time", self.path)
        try:
            yield
        finally:
            lock.release()

    def _set_aside(self, error: BrokenState) -> None:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        _log.warning("%s It is kept as %s", error, aside.name)
        rename(self.path, aside)

    def _delete(self) -> bool:
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(self.path.parent)
        return True

    def _broken(self, found: str) -> BrokenState:
        return BrokenState(str(self.path), found=found, expected=f"a session state file with {STATES!r}.")
