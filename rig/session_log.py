"""``launcher.log`` of one session, and its copy in the lab's central folder."""

import contextlib
import itertools
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from opticstream.core.files import atomic_file, write_failed
from opticstream.core.patience import joined

log = logging.getLogger(__name__)

LOG = "launcher.log"
TERMINAL = "terminal"
"""Name of the handlers that show the log to people."""
_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S%z"


class _LogFile(logging.FileHandler):
    """A log file whose disk may fill up: said once, and the session goes on."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if not self.failed:
            self.failed = True
            log.warning("%s: cannot be written any more; going on without", self.baseFilename)


@contextmanager
def session_log(
    metadata: Path,
    central: Path | None = None,
    *,
    logger: logging.Logger | None = None,
    copy_timeout_s: float = 10,
    shown: str | None = None,
) -> Iterator[Path]:
    """Write everything that is logged while the body runs, from DEBUG on, to ``launcher.log``, times in UTC.

    The logger lets everything through meanwhile; how much a terminal shows is its own handler's level.

    Args:
        metadata: the session's metadata folder; its parent's name is the session's.
        central: folder for a copy at the end, ``YYYY/MM/DD/<session>.log`` (``<session>_2.log`` where another rig's
            session of that name has its log), which is never waited for longer than ``copy_timeout_s``.
        logger: whose words; default: opticstream's.
        copy_timeout_s: seconds.
        shown: least level that terminals show meanwhile; None: as before. One that shows DEBUG goes on doing so.

    Yields:
        The log file.

    Raises:
        WriteFailed: the file cannot be opened. What happens to it or its copy later is a warning.
    """
    path = metadata / LOG
    formatter = logging.Formatter(_FORMAT, _TIME)
    formatter.converter = time.gmtime
    try:
        handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise write_failed(path, error) from None
    handler.setFormatter(formatter)
    handler.setLevel(logging.DEBUG)
    target = logger or logging.getLogger("opticstream")
    level = target.level
    terminals = {other: other.level for other in target.handlers if other.name == TERMINAL}
    for other, before in terminals.items():
        if shown and before > logging.DEBUG:
            other.setLevel(shown)
    target.addHandler(handler)
    target.setLevel(logging.DEBUG)
    try:
        yield path
    finally:
        target.removeHandler(handler)
        target.setLevel(level)
        for other, before in terminals.items():
            other.setLevel(before)
        handler.close()
        if central is not None:
            copy_log(path, central, metadata, timeout_s=copy_timeout_s)


def copy_log(path: Path, central: Path, metadata: Path, *, timeout_s: float = 10) -> bool:
    """Copy a session's log to the central folder; False, with a warning, if that fails or takes too long.

    Args:
        path: the log.
        central: the central folder.
        metadata: the session's metadata folder, which gives the copy its name.
        timeout_s: seconds; a share that hangs keeps its copying thread, and nobody waits for it.
    """
    failure: list[str] = []
    thread = threading.Thread(target=_copy, args=(path, central, metadata, failure), name="central-log", daemon=True)
    thread.start()
    if not joined(thread, timeout_s):
        failure.append(f"no answer within {timeout_s:g} s")
    if failure:
        log.warning("%s: the log was not copied there (%s); it is in %s", central, failure[0], path)
    return not failure


def _copy(path: Path, central: Path, metadata: Path, failure: list[str]) -> None:
    try:
        name = metadata.parent.name + metadata.name.removeprefix("launcher_metadata")
        final = _own_name(central / f"{datetime.now().astimezone():%Y/%m/%d}", name)
        try:
            with atomic_file(final) as target, path.open("rb") as source:
                shutil.copyfileobj(source, target)
        except BaseException:
            final.unlink(missing_ok=True)
            raise
    except Exception as error:  # whatever a share says must not reach the session
        failure.append(str(error))


def _own_name(folder: Path, name: str) -> Path:
    """Take a name that no other log has: rigs that synchronize their sessions have one name for them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = folder / (f"{name}.log" if number == 1 else f"{name}_{number}.log")
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
            break
    return path
