"""Radial profiles of beads, as text."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.files.growing_file import GrowingFile
from opticstream.scope.files.tracking_writer import tracking_file_stem


class ProfileFile:
    """Appends profiles to ``Bead Profiles <local time>.txt``, which ``numpy.loadtxt`` reads.

    A line is the frame's time (s since 1970 UTC), the bead, and the mean grey level of each bin, from the centre
    outwards. The first line, behind ``#``, names the columns. Lines of one file are equally long: profiles of another
    length go into a new file. A file begins with its first profile.

    Args:
        folder: where files go; created.
        start_ns: when the recording began, ns since 1970 UTC; names the files, and frames from before are left out.
    """

    def __init__(self, folder: Path, start_ns: int) -> None:
        self._folder, self._start_ns = folder, start_ns
        self._file: GrowingFile | None = None
        self._bins = 0

    @property
    def path(self) -> Path | None:
        """The file that is being written, if there is one."""
        return None if self._file is None else self._file.path

    def append(self, timestamps_ns: NDArray[np.int64], profiles: Mapping[int, NDArray[np.float64]]) -> None:
        """Append the profiles of a stack, all or none.

        Args:
            timestamps_ns: of its frames, ns since 1970 UTC, (F,).
            profiles: grey levels by bead, each (F, bins); NaN where a bead was not found.

        Raises:
            WriteFailed: the disk refuses; the file is as before.
        """
        kept = np.flatnonzero(timestamps_ns >= self._start_ns)
        bins = next((one.shape[1] for one in profiles.values()), 0)
        if not len(kept) or not bins:
            return
        lines = []
        for frame in kept.tolist():
            seconds, rest = divmod(int(timestamps_ns[frame]), 1_000_000_000)
            for bead, values in profiles.items():
                lines.append(f"{seconds}.{rest:09d} {bead} {' '.join(f'{value:.7g}' for value in values[frame])}\n")
        self._open(bins).append("".join(lines).encode())

    def close(self) -> None:
        """Close the file; the next profile would begin another. Raises WriteFailed."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _open(self, bins: int) -> GrowingFile:
        if self._file is None or bins != self._bins:
            self.close()
            stem = tracking_file_stem(self._start_ns).replace("Tracking Data", "Bead Profiles")
            endings = itertools.chain([".txt"], (f" ({number}).txt" for number in itertools.count(1)))
            path = next(one for ending in endings if not (one := self._folder / f"{stem}{ending}").exists())
            self._file, self._bins = GrowingFile(path), bins
            title = " ".join(["# time_s", "bead", *(f"bin_{number}" for number in range(bins))])
            self._file.append(f"{title}\n".encode())
        return self._file
