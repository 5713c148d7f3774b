"""A strip as the camera's software spools it: many files of raw frames, and two that describe them."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opticstream.core.errors import BadFile
from opticstream.imaging.lsm.spool_metadata import SpoolFormat, read_frame_counts, read_spool_format

MARKER = "Spooled files.sifx"
METADATA = "acquisitionmetadata.ini"

_SPOOL = re.compile(r"(?P<reversed>[0-9]{10})spool\.dat")
_ACTION = "Copy the folder again from the camera's computer, or check that the acquisition has ended."


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """One file of raw frames."""

    path: Path
    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change when the strip was opened."""


@dataclass(frozen=True, slots=True)
class SpoolStrip:
    """A strip whose files are all there and as long as its metadata says."""

    folder: Path
    files: tuple[SpoolFile, ...]
    """In the order in which they were taken."""
    format: SpoolFormat
    frames: int
    """Frames of the image."""
    background_frames: int
    """Frames after them in the files that belong to no image: background, or taken after the planned end."""

    @property
    def rows(self) -> int:
        """Rows of the image."""
        return self.format.rows

    @property
    def padded_rows(self) -> int:
        """Rows of a frame in the files."""
        return self.format.padded_rows

    @property
    def columns(self) -> int:
        """Columns of the image."""
        return self.format.columns

    @property
    def stride(self) -> int:
        """Bytes of a row in the files."""
        return self.format.stride

    @property
    def dtype(self) -> Literal["uint16", "uint8"]:
        """Type of a pixel."""
        return self.format.dtype

    @property
    def frames_per_file(self) -> int:
        """Frames of each file but perhaps the last."""
        return self.format.frames_per_file

    @property
    def nbytes(self) -> int:
        """Bytes of all spool files."""
        return sum(file.size for file in self.files)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the image: (z: rows, y: columns, x: frames)."""
        return (self.rows, self.columns, self.frames)


def spool_index(name: str) -> int | None:
    """Return the place of a spool file by its name; None: the name is not one of a spool file.

    The index is written with ten digits, the last one first: ``2100000000spool.dat`` is the thirteenth file.
    """
    match = _SPOOL.fullmatch(name)
    return int(match["reversed"][::-1]) if match else None


def spool_name(index: int) -> str:
    """Return the name of the spool file at a place."""
    return f"{index:010d}"[::-1] + "spool.dat"


def open_spool(folder: Path, info_file: Path | None = None) -> SpoolStrip:
    """Check a strip's folder and return what is in it; no pixel is read.

    All files but the last hold ``ImagesPerFile`` frames. The last may hold fewer, since an acquisition may end at any
    frame, if nothing is left to guess: it holds whole frames, and their size is confirmed by a full file before it or
    by ``ImageSizeBytes``. Files missing at the end can be noticed only with an info file.

    Args:
        folder: the strip's folder.
        info_file: MATLAB file with ``info.camera.kineticSeriesLength`` and ``.backgroundFramesNum``; None: all frames
            belong to the image.

    Raises:
        BadFile: a file is missing, too short or too long, or contradicts another one; the message names it.
    """
    if not folder.is_dir():
        raise BadFile(str(folder), found="no such folder", expected="the folder of a strip", action=_ACTION)
    if not (folder / MARKER).is_file():
        raise BadFile(
            str(folder / MARKER), found="no such file", expected="the index the camera writes", action=_ACTION
        )
    spool = read_spool_format(folder / METADATA)
    files = _spool_files(folder)
    stored = _stored_frames(files, spool)
    if info_file is None:
        return SpoolStrip(folder, files, spool, stored, 0)
    total, background = read_frame_counts(info_file)
    _check_counts(folder, info_file, spool, files, stored, total - background, total)
    return SpoolStrip(folder, files, spool, total - background, stored - (total - background))


def _spool_files(folder: Path) -> tuple[SpoolFile, ...]:
    found: dict[int, SpoolFile] = {}
    try:
        for path in folder.iterdir():
            index = spool_index(path.name)
            if index is None:
                if path.name.endswith("spool.dat"):
                    expected = "ten digits, last one first, before spool.dat"
                    raise BadFile(str(path), found="a name without an index", expected=expected)
                continue
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise BadFile(str(path), found="no regular file", expected="a spool file", action=_ACTION)
            found[index] = SpoolFile(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        name = str(error.filename or folder)
        raise BadFile(name, found=error.strerror or str(error), expected="a file this user can read") from None
    if not found:
        raise BadFile(str(folder), found="no spool files", expected=f"{spool_name(0)} and so on", action=_ACTION)
    if len(found) != max(found) + 1:
        first = next(index for index in range(len(found)) if index not in found)
        raise BadFile(
            str(folder / spool_name(first)),
            found=f"no such file, while the folder goes up to {found[max(found)].path.name}",
            expected=f"all files of indices 0 to {max(found)}",
            action=_ACTION,
        )
    return tuple(found[index] for index in range(len(found)))


def _stored_frames(files: tuple[SpoolFile, ...], spool: SpoolFormat) -> int:
    """Return the frames in all files."""
    full = spool.frames_per_file * spool.frame_bytes
    what = f"{spool.frames_per_file} frames of {spool.padded_rows} x {spool.stride} bytes"
    for file in files[:-1]:
        if file.size != full:
            raise BadFile(str(file.path), found=f"{file.size} bytes", expected=f"{full} bytes: {what}", action=_ACTION)
    last = files[-1]
    frames, rest = divmod(last.size, spool.frame_bytes)
    confirmed = last.size == full or len(files) > 1 or spool.image_bytes == spool.frame_bytes
    if rest or not 1 <= frames <= spool.frames_per_file or not confirmed:
        raise BadFile(
            str(last.path),
            found=f"{last.size} bytes",
            expected=f"{full} bytes: {what}, or whole frames of {spool.frame_bytes} bytes"
            + ("" if confirmed else ", which nothing confirms here"),
            action=_ACTION,
        )
    return (len(files) - 1) * spool.frames_per_file + frames


def _check_counts(
    folder: Path, info_file: Path, spool: SpoolFormat, files: tuple[SpoolFile, ...], stored: int, used: int, total: int
) -> None:
    most = -(-total // spool.frames_per_file)
    if used <= stored and len(files) <= most:
        return
    raise BadFile(
        str(folder),
        found=f"{stored} frames in {len(files)} files",
        expected=f"at least {used} frames in at most {most} files, as {info_file} says ({total} with background)",
        action=_ACTION,
    )
