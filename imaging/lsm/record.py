"""What a conversion did, small enough for a row of the state, and the long lists it leaves in the product."""

import json
from pathlib import Path
from typing import Any

import xxhash
from pydantic import BaseModel, ConfigDict

from opticstream.core.errors import BadFile
from opticstream.core.lsm_config import Checksum
from opticstream.imaging.lsm.raw_array import CAMERA_METADATA
from opticstream.imaging.omezarr.tree import Files

LEDGER = f"{CAMERA_METADATA}/ledger.json"
"""In an array's folder, where readers of Zarr look only for chunks; a folder of its own would be taken for a node."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return self.model_dump(mode="json")


class ConversionRecord(_Frozen):
    """One strip's conversion. Checksums that end in ``xxh3`` have 128 bits and are hexadecimal."""

    ome_version: str
    raw_bytes: int
    raw_files: int
    frames: int
    """Frames of the image."""
    background_frames: int
    """Frames after them, kept in ``background_frames``."""
    checksum: Checksum
    """Of each raw file; they are in the ledger."""
    shape: tuple[int, int, int]
    """Voxels of the full resolution: z (camera rows), y (camera columns), x (frames)."""
    dtype: str
    levels: int
    zarr_files: int
    zarr_bytes: int
    """Of all files of the Zarr but the ledger."""
    ratio: float
    """``raw_bytes`` over ``zarr_bytes``."""
    ledger_bytes: int
    ledger_xxh3: str
    """Of ``camera_metadata/ledger.json``, which lists size and checksum of every other file."""
    mip_bytes: int | None
    mip_xxh3: str | None
    """None: no projection was asked for."""
    seconds: float
    cpu_seconds: float
    """CPU time of the conversion's threads."""


class RawFile(_Frozen):
    """One spool file as it was read."""

    name: str
    bytes: int
    mtime_ns: int
    checksum: str | None
    """Hexadecimal, of the kind the record names; None: none was asked for."""


class Ledger(_Frozen):
    """Everything a conversion read and wrote, file by file."""

    files: Files
    """Path below the Zarr's folder → bytes, XXH3 (128 bits, hexadecimal)."""
    voxels: tuple[str, ...]
    """XXH3 (64 bits, hexadecimal) of each chunk of the full resolution, decompressed: by slab, then z, then y."""
    raw: tuple[RawFile, ...]

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return (json.dumps(self.as_json(), separators=(",", ":")) + "\n").encode()


def read_ledger(zarr_folder: Path, record: ConversionRecord) -> Ledger:
    """Read a strip's ledger.

    Raises:
        BadFile: it is missing, or not the one the record tells of.
    """
    path = zarr_folder / LEDGER
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(str(path), found=error.strerror or str(error), expected="the ledger of a conversion") from None
    if (len(data), xxhash.xxh3_128_hexdigest(data)) != (record.ledger_bytes, record.ledger_xxh3):
        raise BadFile(
            str(path),
            found=f"{len(data)} bytes, XXH3 {xxhash.xxh3_128_hexdigest(data)}",
            expected=f"{record.ledger_bytes} bytes, XXH3 {record.ledger_xxh3}, as the conversion wrote",
        )
    return Ledger.model_validate_json(data)
