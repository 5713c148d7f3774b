"""Verified copies of raw folders: copy while reading once, manifest, read back from the disk, publish."""

from opticstream.core.listing import Changes, FileState, Listing, changes, list_folder
from opticstream.imaging.archive.manifest import ArchivedFile, Manifest, is_whole_archive, parse_sums, read_manifest
from opticstream.imaging.archive.publish import find_earlier_archive, publish_archive
from opticstream.imaging.archive.verify import ArchiveVerification, Difference, verify_archive
from opticstream.imaging.archive.writer import ArchiveWriter

__all__ = [
    "ArchiveVerification",
    "ArchiveWriter",
    "ArchivedFile",
    "Changes",
    "Difference",
    "FileState",
    "Listing",
    "Manifest",
    "changes",
    "find_earlier_archive",
    "is_whole_archive",
    "list_folder",
    "parse_sums",
    "publish_archive",
    "read_manifest",
    "verify_archive",
]
