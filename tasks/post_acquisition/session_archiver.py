"""Copies the session's folder to the network, to a backup, or to both, and proves that the copies are what was read.

Every file is read once, its checksum taken from what was read; each copy is written under a temporary name, made
durable, read back from the disk, compared, and only then gets its name. What goes wrong with one file stops no other.
The module may be interrupted at any moment and run again: only what is missing or has changed, on either side, is
copied. Files that the launcher is still writing come last, as they are then, and are marked as a snapshot.

The originals stay, unless ``remove_source`` says otherwise.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from opticstream.core.checksum import ALGORITHMS
from opticstream.core.errors import BadInput
from opticstream.rig.archive import ArchiveRequest, ArchiveResult, TargetName, archive_session, target_folder
from opticstream.rig.modules import ModuleContext, ModuleParameters, ModuleResult


class SessionArchiverParameters(ModuleParameters):
    """Parameters of ``session_archiver``."""

    ALIASES: ClassVar[Mapping[str, str]] = {"checksum_algorithm": "checksum_algo"}

    network_dir: str | None = Field(
        None,
        description="Folder, usually on the network, that receives a copy; the session's name is added unless it is in it.",
    )
    backup_dir: str | None = Field(
        None, description="Folder that receives another copy; the session's name is added unless it is in it."
    )
    move_to_network: bool = Field(True, description="Copy to `network_dir`; the originals stay all the same.")
    copy_to_backup: bool = Field(True, description="Copy to `backup_dir`.")
    session_dir: str | None = Field(None, description="Folder to archive; default: the session's folder.")
    include_patterns: tuple[str, ...] = Field(
        ("*",),
        description="Patterns (`*`, `?`, `[…]`) of files to copy, held against the path in the session's folder and against the name.",
    )
    exclude_patterns: tuple[str, ...] = Field(
        (), description="Patterns of files to leave out; metadata and the session's own JSON files are never left out."
    )
    checksum_algo: str = Field("sha256", description=f"Checksum: {', '.join(ALGORITHMS)}.")
    dry_run: bool = Field(False, description="Only say what would be copied.")
    skip_completed: bool = Field(True, description="Do not copy again what is archived and unchanged on both sides.")
    reverify: bool = Field(
        False, description="Read again also what an earlier run archived, not only its size and time."
    )
    max_retries: int = Field(2, ge=0, description="How often a file that failed is tried again, after all others.")
    retry_delay_sec: float = Field(1.0, ge=0, description="Seconds before files are tried again.")
    remove_source: bool = Field(
        False, description="Remove originals that are verified at every destination; metadata stays."
    )
    remove_empty_dirs: bool = Field(False, description="With `remove_source`: remove folders that this left empty.")
    allow_pending_backup: bool = Field(
        False, description="Succeed although the backup denied permission for some files; they are `pending_backup`."
    )
    manifest_path: str | None = Field(
        None,
        description="List of the archive's files, for people; default: `session_archiver_manifest.json` in `launcher_metadata`.",
    )
    routing_manifest: str | None = Field(
        None, description="Not supported by this version: everything selected goes to both destinations."
    )

    @field_validator("include_patterns", "exclude_patterns", mode="before")
    @classmethod
    def _patterns(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


PARAMETERS = SessionArchiverParameters


def run(context: ModuleContext) -> ModuleResult:
    """Archive the session.

    Raises:
        BadInput: no destination is given, or it cannot be one, or another archiver is at work.
    """
    parameters = context.read(SessionArchiverParameters)
    if parameters.routing_manifest:
        context.log.warning("routing_manifest is not supported: everything selected goes to both destinations")
    result = archive_session(_request(context, parameters))
    for problem in result.problems:
        context.log.warning("%s", problem)
    for path, name in result.superseded.items():
        context.log.warning("%s held something else, which is %s now", path, name)
    accepted = result.only_pending and parameters.allow_pending_backup
    return ModuleResult(
        success=result.verified or (result.dry_run and not result.problems) or accepted,
        message=result.message,
        values={"archived_to": {name: str(path) for name, path in _complete(result).items()}},
        experiment_data={
            "session_archiver": {
                "verified": result.verified,
                "files": result.files,
                "bytes": result.nbytes,
                "copied": result.copied,
                "not_archived": len({problem.path for problem in result.problems}),
                "removed": result.removed,
            }
        },
    )


def _request(context: ModuleContext, parameters: SessionArchiverParameters) -> ArchiveRequest:
    session = context.path(parameters.session_dir) if parameters.session_dir else context.session_folder
    wanted: dict[TargetName, str | None] = {
        "network": parameters.network_dir if parameters.move_to_network else None,
        "backup": parameters.backup_dir if parameters.copy_to_backup else None,
    }
    manifest = parameters.manifest_path
    return ArchiveRequest(
        session_folder=session,
        targets={name: target_folder(_root(name, path), session.name) for name, path in wanted.items() if path},
        include=parameters.include_patterns or ("*",),
        exclude=parameters.exclude_patterns,
        algorithm=parameters.checksum_algo,
        dry_run=parameters.dry_run,
        skip_completed=parameters.skip_completed,
        reverify=parameters.reverify,
        max_retries=parameters.max_retries,
        retry_delay_s=parameters.retry_delay_sec,
        remove_source=parameters.remove_source,
        remove_empty_folders=parameters.remove_empty_dirs,
        manifest=context.path(manifest) if manifest else _default_manifest(context, session),
    )


def _default_manifest(context: ModuleContext, session: Path) -> Path | None:
    own = session.resolve() == context.session_folder.resolve()
    return context.metadata_folder / "session_archiver_manifest.json" if own else None


def _root(name: str, path: str) -> Path:
    root = Path(path).expanduser()
    if not root.is_absolute():
        # A relative folder would be another one for each way of starting the launcher.
        raise BadInput(f"{name}_dir", found=repr(path), expected="an absolute path on this computer")
    return root


def _complete(result: ArchiveResult) -> dict[TargetName, Path]:
    """Return the destinations where everything is."""
    if result.dry_run:
        return {}
    lacking = {problem.target for problem in result.problems}
    return {name: path for name, path in result.folders.items() if None not in lacking and name not in lacking}
