"""Strips as a camera spools them, written from the format's description alone, with every value known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat


@dataclass(frozen=True)
class Spooled:
    """A written strip."""

    folder: Path
    stored: NDArray[Any]
    """Everything in the files: (frames, rows with padding, pixels of a stride)."""
    rows: int
    columns: int

    @property
    def image(self) -> NDArray[Any]:
        """What a reader should see: (rows, columns, frames)."""
        return np.moveaxis(self.stored[:, : self.rows, : self.columns], 0, 2)

    def files(self) -> list[Path]:
        return [self.folder / file_name(index) for index in range(len(list(self.folder.glob("*spool.dat"))))]


def file_name(index: int) -> str:
    digits = list(f"{index:010d}")
    digits.reverse()
    return "".join(digits) + "spool.dat"


def write_strip(
    folder: Path,
    *,
    frames: int = 20,
    rows: int = 12,
    columns: int = 18,
    frames_per_file: int = 6,
    dtype: str = "uint16",
    more_columns: int = 0,
    seed: int = 0,
    bom: bool = True,
    ini: dict[str, object] | None = None,
) -> Spooled:
    """Write a strip; padding is all ones bits, so that a projection with padding in it shows."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = np.dtype(dtype).newbyteorder("<")
    padded, stride = rows + (2 if rows % 2 == 0 else 1), columns + more_columns
    top = np.iinfo(kind).max
    stored = np.full((frames, padded, stride), top, kind)
    rng = np.random.default_rng(seed)
    stored[:, :rows, :columns] = rng.integers(0, top, (frames, rows, columns), dtype=kind.type)
    for index, start in enumerate(range(0, frames, frames_per_file)):
        (folder / file_name(index)).write_bytes(stored[start : start + frames_per_file].tobytes())
    values: dict[str, object] = {
        "AOIHeight": rows,
        "AOIWidth": columns,
        "AOIStride": stride * kind.itemsize,
        "PixelEncoding": "Mono16" if kind.itemsize == 2 else "Mono8",
        "ImageSizeBytes": padded * stride * kind.itemsize,
        "ImagesPerFile": frames_per_file,
    } | (ini or {})
    lines = ["[data]", *(f"{key} = {value}" for key, value in values.items() if key != "ImagesPerFile" and value)]
    lines += ["[multiimage]", f"ImagesPerFile = {values['ImagesPerFile']}", ""]
    text = "\r\n".join(lines).encode("utf-8")
    (folder / "acquisitionmetadata.ini").write_bytes((b"\xef\xbb\xbf" if bom else b"") + text)
    (folder / "Spooled files.sifx").write_bytes(b"Andor Technology Multi-Channel File\n")
    return Spooled(folder, stored, rows, columns)


def write_info(path: Path, frames: int, background: int) -> Path:
    """Write the camera's info file."""
    camera = {"kineticSeriesLength": float(frames), "backgroundFramesNum": float(background)}
    savemat(path, {"info": {"camera": camera, "note": "text"}})
    return path
