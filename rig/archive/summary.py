"""The list of an archive's files that people read; written once, at the end."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opticstream.core.files import atomic_file, rename, writing
from opticstream.core.listing import FileState
from opticstream.core.text import storable
from opticstream.rig.archive.journal import Journal, Record, free_name
from opticstream.rig.archive.request import ArchiveRequest
from opticstream.rig.archive.result import ArchiveResult, Problem

_FORMAT = "opticstream session archive 1"


def write_summary(
    request: ArchiveRequest, journal: Journal, files: Mapping[str, FileState], result: ArchiveResult
) -> None:
    """Write the list; one that another program wrote under this name is kept as ``….superseded-1``.

    Raises:
        WriteFailed: the disk refuses.
    """
    path = request.manifest_path
    now = datetime.now(UTC).isoformat()
    problems: dict[str, list[Problem]] = {}
    for problem in result.problems:
        problems.setdefault(problem.path, []).append(problem)
    paths = set(files) | problems.keys()
    for name in request.targets:
        paths |= journal.copies(name).keys()
    document = {
        "format": _FORMAT,
        "created_at": journal.created_at,
        "updated_at": now,
        "session_dir": str(request.session_folder),
        **{
            f"{name}_dir": str(result.folders[name]) if name in result.folders else None
            for name in ("network", "backup")
        },
        "checksum_algo": request.algorithm,
        "verified": result.verified,
        "message": result.message,
        "files": {
            storable(item): _entry(item, request, journal, files, problems.get(item, ())) for item in sorted(paths)
        },
    }
    with writing(path):
        if path.exists() and not _is_ours(path):
            rename(path, free_name(path, "superseded"))
        with atomic_file(path) as handle:
            handle.write(json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n")


def _entry(
    path: str,
    request: ArchiveRequest,
    journal: Journal,
    files: Mapping[str, FileState],
    problems: Sequence[Problem],
) -> dict[str, Any]:
    copies = {
        name: copy
        for name in request.targets
        if (copy := journal.copies(name).get(path)) is not None and copy.mtime_ns is not None
    }
    entry: dict[str, Any] = {"status": _status(len(copies) == len(request.targets), problems)}
    record: Record | None = next((copy.record for copy in copies.values()), None)
    if record is not None:
        read_at = datetime.fromtimestamp(record.read_at_ns / 1e9, UTC).isoformat()
        entry |= {"size": record.size, "checksum": record.checksum, "updated_at": read_at}
    for name in request.targets:
        entry[f"{name}_copy"] = name in copies
        if name in copies:
            entry[f"{name}_path"] = storable(str(request.targets[name] / path))
    for problem in problems:
        entry["backup_error" if problem.target == "backup" else "error"] = storable(problem.reason)
    if problems:
        entry["original_path"] = storable(str(request.session_folder / path))
    if record is not None and record.snapshot:
        entry["snapshot"] = True
    if path not in files:
        entry["reason"] = "not in the session folder any more"
    elif entry["status"] == "skipped":
        entry["reason"] = "not asked for"
    return entry


def _status(complete: bool, problems: Sequence[Problem]) -> str:
    if problems:
        return "pending_backup" if all(problem.pending for problem in problems) else "error"
    return "complete" if complete else "skipped"


def _is_ours(path: Path) -> bool:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("format") == _FORMAT
