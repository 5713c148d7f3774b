"""Verified copies of a session's folder at one or two destinations."""

from opticstream.rig.archive.archiver import archive_session, refresh_metadata
from opticstream.rig.archive.request import ArchiveRequest, TargetName, target_folder
from opticstream.rig.archive.result import ArchiveResult, Problem

__all__ = [
    "ArchiveRequest",
    "ArchiveResult",
    "Problem",
    "TargetName",
    "archive_session",
    "refresh_metadata",
    "target_folder",
]
