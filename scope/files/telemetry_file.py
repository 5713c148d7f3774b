"""What a hardware manager measures, as a text file."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput
from opticstream.core.files import read_failed, sync_file, write_failed

_LONGEST_LINE = 1 << 16
"""Bytes; a number has 25 at most."""


class TelemetryFile:
    """Appends rows of numbers to ``<name>.txt``, as the predecessor's hardware managers do.

    The first line of a new file is ``# timestamp value_1 value_2 …``; a file that is there already is gone on with.
    A line that a kill or a full disk left half is cut off. Rows with a number that is not finite are left out.

    Args:
        folder: where the file goes; created.
        name: the manager's class.
        columns: numbers in a row, the timestamp included.
        header: names of the columns; absent: ``timestamp value_1 …``.

    Raises:
        BadInput: ``columns`` is less than 1, or ``header`` does not fit.
    """

    def __init__(self, folder: Path, name: str, columns: int, header: str | None = None) -> None:
        if columns < 1:
            raise BadInput(f"telemetry of {name}", found=f"{columns} columns", expected="at least 1")
        self.path, self._columns = folder / f"{name}.txt", columns
        self._header = header or " ".join(["timestamp", *(f"value_{n}" for n in range(1, columns))])
        if "\n" in self._header:
            raise BadInput(f"telemetry of {name}: header", found="a line break", expected="one line")

    def append(self, rows: ArrayLike) -> int:
        """Write rows, (n, columns), and make them durable; return how many there were to write.

        Raises:
            BadInput: the rows have another shape; nothing is written.
            WriteFailed: they could not be written; the file is as before.
        """
        new = np.asarray(rows, np.float64)
        if new.ndim != 2 or new.shape[1] != self._columns:
            raise BadInput(str(self.path), found=f"rows of shape {new.shape}", expected=f"(n, {self._columns})")
        finite = new[np.isfinite(new).all(axis=1)]
        if not len(finite):
            return 0
        # repr gives back every bit; the timestamps need 16 digits.
        text = "".join(" ".join(map(repr, row)) + "\n" for row in finite.tolist())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b", buffering=0) as handle:
                size = _whole_lines(handle.fileno())
                data = (text if size else f"# {self._header}\n{text}").encode()
                try:
                    handle.truncate(size)
                    view = memoryview(data)
                    while view:
                        view = view[handle.write(view) :]
                    sync_file(handle)
                except BaseException:
                    handle.truncate(size)
                    raise
        except OSError as error:
            raise write_failed(self.path, error) from error
        return len(finite)

    def missing(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Return those of rows (n, columns) that come after the file's last one; all, if that is none of them.

        For who may have been killed after a row was written and before anybody was told.

        Raises:
            BadFile: the file cannot be read.
        """
        new = np.asarray(rows, np.float64)
        try:
            with self.path.open("rb") as handle:
                end = _whole_lines(handle.fileno())
                start = max(0, end - _LONGEST_LINE)
                handle.seek(start)
                last = handle.read(end - start).rstrip(b"\n").rpartition(b"\n")[2]
            known = np.array(last.split(), np.float64)
        except FileNotFoundError:
            return new
        except OSError as error:
            raise read_failed(self.path, error) from error
        except ValueError:  # the heading, or another's line
            return new
        if known.shape != (self._columns,):
            return new
        same = np.flatnonzero((new == known).all(axis=1))
        return new[same[-1] + 1 :] if len(same) else new


def _whole_lines(descriptor: int) -> int:
    """Return the size of a file without a last line that has no end."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        os.lseek(descriptor, start, os.SEEK_SET)
        block = os.read(descriptor, end - start)
        at = block.rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
