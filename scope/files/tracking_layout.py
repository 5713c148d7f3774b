"""The layout of a tracking file: what stands where, once, for those who write, read and repair it."""

from dataclasses import dataclass
from typing import Any

from opticstream.core.errors import BadInput

GROUP = "tracking"
SCHEMA_VERSION = 1
TEXT_BYTES = 1024
"""Room of a note's part, UTF-8."""
REASON_BYTES = 256


@dataclass(frozen=True, slots=True)
class Column:
    """A dataset that grows along its first axis."""

    name: str
    dtype: str
    chunk: int
    width: int | None = None
    """Items of a row; None: the dataset has one axis."""

    def create(self, group: Any, dtype: Any = None) -> Any:
        """Create it, empty, in an HDF5 group."""
        rest = () if self.width is None else (self.width,)
        options = {"maxshape": (None, *rest), "chunks": (self.chunk, *rest), "dtype": dtype or self.dtype}
        return group.create_dataset(self.name, shape=(0, *rest), **options)


FRAMES = (
    Column("frame_timestamps_ns", "u8", 4096),
    Column("frame_batch_sequence", "u8", 4096),
    Column("frame_numbers", "u8", 4096),
)
OFFSETS = Column("frame_offsets", "u8", 4096)
"""One more than there are frames."""
RECORDS = (
    Column("bead_ids", "u2", 65536),
    Column("positions_nm", "f8", 65536, 3),
    Column("flags", "u2", 65536),
)
ROI_POSITIONS = Column("roi_positions_px", "u2", 65536, 2)
BATCHES = (
    Column("batch_sequence", "u8", 1024),
    Column("batch_frame_start", "u8", 1024),
    Column("batch_frame_count", "u8", 1024),
    Column("batch_record_start", "u8", 1024),
    Column("batch_record_count", "u8", 1024),
    Column("batch_crc32", "u4", 1024),
)
OURS = frozenset({"frame_numbers", "flags", "batch_crc32"})
"""What files of the predecessor do not have."""

ROIS = (Column("time_ns", "u8", 1024), Column("bead_id", "u4", 1024), Column("roi_px", "u4", 1024, 4))
NOTES = (Column("time_ns", "u8", 64), Column("part", "u2", 64), Column("text", f"S{TEXT_BYTES}", 16))
LEDGER = (
    Column("first", "u8", 1024),
    Column("last", "u8", 1024),
    Column("outcome", "u1", 1024),
    Column("reason", f"S{REASON_BYTES}", 256),
)
SIDE_TABLES = {"rois": ROIS, "notes": NOTES, "ledger": LEDGER}
"""Tables beside the tracks, by group; all columns of one are of equal length."""

HARDWARE = "hardware"
HARDWARE_CHUNK = 4096


def cut_text(text: str, room: int) -> list[str]:
    """Return a text in parts of at most ``room`` bytes of UTF-8, no character cut; one part at least.

    Raises:
        BadInput: it cannot be encoded, or holds a NUL, with which texts end in the file.
    """
    if "\0" in text:
        raise BadInput("text for a tracking file", found="a NUL character", expected="text")
    try:
        rest = text.encode()
    except UnicodeEncodeError as error:
        raise BadInput("text for a tracking file", found=str(error), expected="text") from None
    parts = []
    while len(rest) > room:
        end = room
        while rest[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        parts.append(rest[:end].decode())
        rest = rest[end:]
    return [*parts, rest.decode()]
