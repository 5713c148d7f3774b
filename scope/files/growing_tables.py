"""Datasets of one HDF5 file that grow together, all or none of them."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

log = logging.getLogger(__name__)

HDF5_ERRORS = (OSError, RuntimeError, ValueError, KeyError)
"""What h5py raises when the disk refuses: a failed write is an OSError, a failed flush a RuntimeError."""


class GrowingTables:
    """Appends rows to several datasets of an open file so that all of it is there or nothing.

    Args:
        file: h5py's, open for writing.
        tables: datasets by a name of the caller's.
    """

    def __init__(self, file: Any, tables: Mapping[str, Any]) -> None:
        self._file, self._tables = file, dict(tables)
        self._sizes = {name: int(table.shape[0]) for name, table in tables.items()}
        self._path = Path(file.filename)
        self.broken = False
        """The file could not be brought back to what it was; nothing may be added to it."""

    def __getitem__(self, name: str) -> int:
        """Return how many rows a dataset has."""
        return self._sizes[name]

    @contextmanager
    def change(self) -> Iterator[None]:
        """Undo what the body grew if it raises, then raise it again as an OSError where it came out of HDF5."""
        before = dict(self._sizes)
        try:
            yield
            self._file.flush()
        except HDF5_ERRORS as error:
            self._roll_back(before)
            raise OSError(f"HDF5: {first_line(error)}") from error
        except BaseException:
            self._roll_back(before)
            raise

    def grow(self, rows: Mapping[str, NDArray[Any]]) -> None:
        """Append rows to datasets, in the order given; call it within :meth:`change`."""
        for name, new in rows.items():
            self.put(name, self._sizes[name], new)

    def put(self, name: str, start: int, new: NDArray[Any]) -> None:
        """Write rows from row ``start`` on, over those that are there; call it within :meth:`change`."""
        if not len(new):
            return
        table, end = self._tables[name], start + len(new)
        if end > self._sizes[name]:
            table.resize(end, axis=0)
            self._sizes[name] = end
        table[start:end] = new

    def cut(self, name: str, size: int) -> None:
        """Drop the rows of a dataset from ``size`` on; call it within :meth:`change`."""
        if size < self._sizes[name]:
            self._tables[name].resize(size, axis=0)
            self._sizes[name] = size

    def _roll_back(self, before: Mapping[str, int]) -> None:
        try:
            # All of them: one may have grown on the disk before the call failed.
            for name, size in before.items():
                self._tables[name].resize(size, axis=0)
            self._sizes = dict(before)
            self._file.flush()
        except HDF5_ERRORS as error:
            self.broken = True
            log.warning("%s: cannot be brought back to its last batch: %s", self._path, first_line(error))


def first_line(error: BaseException) -> str:
    """Return what HDF5 says, without its list of addresses and buffers."""
    return " ".join(str(error).split(", buf = ")[0].split())
