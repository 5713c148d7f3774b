"""What an acquisition's text file and the camera's info file say of its spool files."""

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opticstream.core.errors import BadFile
from opticstream.imaging.mat_file import read_mat_numbers

_ENCODINGS: dict[str, Literal["uint16", "uint8"]] = {"mono16": "uint16", "mono8": "uint8"}
_LARGEST = 1 << 31
_TOTAL, _BACKGROUND = "info.camera.kineticSeriesLength", "info.camera.backgroundFramesNum"


@dataclass(frozen=True, slots=True)
class SpoolFormat:
    """How frames lie in the spool files of one acquisition."""

    rows: int
    """Rows of the image (``AOIHeight``)."""
    columns: int
    """Pixels of a row that are image (``AOIWidth``)."""
    stride: int
    """Bytes of a row in the file, with what pads it (``AOIStride``)."""
    dtype: Literal["uint16", "uint8"]
    """Mono16 or Mono8; little-endian."""
    frames_per_file: int
    """``ImagesPerFile``."""
    image_bytes: int | None
    """``ImageSizeBytes``; None where the file lacks it."""

    @property
    def itemsize(self) -> int:
        """Bytes of a pixel."""
        return 2 if self.dtype == "uint16" else 1

    @property
    def padded_rows(self) -> int:
        """Rows of a frame in the file: the camera adds one to an odd number of rows and two to an even one."""
        return self.rows + (1 if self.rows % 2 else 2)

    @property
    def stride_pixels(self) -> int:
        """Pixels of a row in the file."""
        return self.stride // self.itemsize

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in the file."""
        return self.padded_rows * self.stride


def read_spool_format(path: Path) -> SpoolFormat:
    """Read ``acquisitionmetadata.ini``: UTF-8 with or without a byte order mark, keys in any case.

    Raises:
        BadFile: it is missing, no such file, lacks a key, or a value cannot be.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
    except OSError as error:
        raise BadFile(
            str(path), found=error.strerror or str(error), expected="the acquisition's text file of the camera"
        ) from None
    except (UnicodeDecodeError, configparser.Error) as error:
        raise BadFile(
            str(path), found=str(error).splitlines()[0], expected="sections [data] and [multiimage] in UTF-8"
        ) from None
    sections = {name.lower(): parser[name] for name in parser.sections()}

    def value(section: str, key: str) -> str:
        if section not in sections or key not in sections[section]:
            raise BadFile(str(path), found=f"no {key} in [{section}]", expected=f"{key} in [{section}]")
        return sections[section][key].strip()

    def number(section: str, key: str) -> int:
        text = value(section, key)
        # isdecimal takes other scripts' digits too, which int() reads as well.
        if not text.isdecimal() or not 1 <= int(text) < _LARGEST:
            raise BadFile(str(path), found=f"{key} = {text}", expected=f"{key}: a whole number above 0")
        return int(text)

    encoding = value("data", "PixelEncoding")
    if encoding.lower() not in _ENCODINGS:
        raise BadFile(str(path), found=f"PixelEncoding = {encoding}", expected="PixelEncoding: Mono16 or Mono8")
    spool = SpoolFormat(
        rows=number("data", "AOIHeight"),
        columns=number("data", "AOIWidth"),
        stride=number("data", "AOIStride"),
        dtype=_ENCODINGS[encoding.lower()],
        frames_per_file=number("multiimage", "ImagesPerFile"),
        image_bytes=number("data", "ImageSizeBytes") if "imagesizebytes" in sections["data"] else None,
    )
    _check(path, spool)
    return spool


def _check(path: Path, spool: SpoolFormat) -> None:
    if spool.stride % spool.itemsize or spool.stride < spool.columns * spool.itemsize:
        raise BadFile(
            str(path),
            found=f"AOIStride = {spool.stride}",
            expected=f"whole pixels, and at least {spool.columns * spool.itemsize} bytes for AOIWidth = {spool.columns}",
        )
    least, most = spool.rows * spool.stride, spool.frame_bytes
    if spool.image_bytes is not None and not least <= spool.image_bytes <= most:
        raise BadFile(
            str(path),
            found=f"ImageSizeBytes = {spool.image_bytes}",
            expected=f"{least} (AOIHeight x AOIStride) to {most} (with {spool.padded_rows - spool.rows} more rows)",
        )


def read_frame_counts(path: Path) -> tuple[int, int]:
    """Read how many frames the camera was told to take, and how many of them, at the end, are background.

    Args:
        path: MATLAB file with a structure ``info.camera``.

    Raises:
        BadFile: it is missing, damaged, or the numbers cannot be.
    """
    action = "Correct info_file of the project, or leave it empty to use all frames."
    found = read_mat_numbers(path, (_TOTAL, _BACKGROUND), action=action)
    counts = []
    for name in (_TOTAL, _BACKGROUND):
        numbers = found[name]
        if numbers.size != 1 or numbers.item() != int(numbers.item()) or not 0 <= numbers.item() < _LARGEST:
            raise BadFile(str(path), found=f"{name} = {numbers.tolist()}", expected="one whole number", action=action)
        counts.append(int(numbers.item()))
    total, background = counts
    if background >= total:
        raise BadFile(
            str(path), found=f"{background} background frames of {total}", expected="fewer than all", action=action
        )
    return total, background
