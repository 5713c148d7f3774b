"""Ground truth on disk: a .npy file that grows and can be read at any time."""

import logging
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed, sync_file, write_failed
from opticstream.scope.cameras.ground_truth import TRUTH_DTYPE, Rows

log = logging.getLogger(__name__)

_HEADER_BYTES = 384
"""Fixed, so that the number of rows in it can be written again; it is padded with spaces as the format allows."""
_ROWS_AT_ONCE = 4096
_LONGEST_WAIT_S = 1.0


class TruthFile:
    """Appends rows of ``TRUTH_DTYPE``. ``numpy.load`` reads the file while it is written, and what a kill left.

    An existing file is continued, so that a camera that is started again loses nothing.

    Args:
        path: ends in ``.npy``; its folder is created.

    Raises:
        BadFile: something else is there.
        WriteFailed: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[Rows] = []
        self._number_waiting = 0
        self._since: float | None = None
        self._file: IO[bytes] | None = None
        if path.suffix != ".npy":
            raise BadFile(str(path), found=f"ending {path.suffix or 'none'}", expected="a name that ends in .npy")
        self._rows = len(read_truth(path)) if path.exists() else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if self._rows else "w+b")
            self._write_header()
        except OSError as error:
            self._give_up()
            raise write_failed(path, error) from error

    def add(self, rows: Rows) -> None:
        """Append rows; they are in the file after 4,096 of them, a second of their time, or :meth:`flush`.

        A disk that refuses ends the file with an error in the log; what was written before stays readable.
        """
        if self._file is None or not len(rows):
            return
        self._waiting.append(rows)
        self._number_waiting += len(rows)
        now = float(rows["t_unix_s"][-1])
        self._since = now if self._since is None else self._since
        if self._number_waiting >= _ROWS_AT_ONCE or now - self._since >= _LONGEST_WAIT_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits, then the number of rows, so that the file is whole at every moment."""
        if self._file is None or not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        self._waiting, self._number_waiting, self._since = [], 0, None
        try:
            self._file.seek(_HEADER_BYTES + self._rows * TRUTH_DTYPE.itemsize)
            self._file.write(rows.tobytes())
            self._file.flush()
            self._rows += len(rows)
            self._write_header()
        except OSError as error:
            log.error("ground truth ends here: %s", write_failed(self._path, error))
            self._give_up()

    def close(self) -> None:
        """Write what waits and make the file durable; again is nothing."""
        self.flush()
        if self._file is not None:
            sync_file(self._file)
        self._give_up()

    def _write_header(self) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.write(_header(self._rows))
            self._file.flush()

    def _give_up(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:  # closing writes what the disk refused before
                log.debug("%s: %s", self._path, error)


def read_truth(path: Path) -> Rows:
    """Return the rows of a file that :class:`TruthFile` writes or wrote.

    Raises:
        BadFile: it cannot be read or is something else.
    """
    try:
        rows = np.load(path, allow_pickle=False)
    except OSError as error:
        raise read_failed(path, error) from None
    except (ValueError, EOFError):
        rows = None
    if not isinstance(rows, np.ndarray) or rows.dtype != TRUTH_DTYPE or rows.ndim != 1:
        raise BadFile(str(path), found="other content", expected="ground truth of a simulated camera")
    return rows


def _header(rows: int) -> bytes:
    """Return the head of a .npy file, version 1.0 of the format, always of the same length."""
    described = repr({"descr": npy.dtype_to_descr(TRUTH_DTYPE), "fortran_order": False, "shape": (rows,)})
    length = (_HEADER_BYTES - 10).to_bytes(2, "little")
    return npy.magic(1, 0) + length + described.ljust(_HEADER_BYTES - 11).encode("latin1") + b"\n"
