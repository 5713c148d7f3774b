"""Gives a finished archive its own name, and never takes the place of another one."""

import os
from collections.abc import Callable
from pathlib import Path

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import rename, sync_folder, write_failed
from opticstream.imaging.archive.manifest import SUMS_NAME, read_manifest
from opticstream.imaging.archive.verify import ArchiveVerification, verify_archive


def find_earlier_archive(
    staging: Path,
    final: Path,
    *,
    force: bool = False,
    check: Callable[[], object] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> ArchiveVerification | None:
    """Look at what already has an archive's name, before the short transaction that publishes.

    Args:
        staging: the finished archive under its temporary name.
        final: the name it shall get.
        force: another archive there is no obstacle: publishing moves it aside.
        check: as in ``verify_archive``.
        progress: as in ``verify_archive``.

    Returns:
        None: publish. A verification: an earlier attempt archived the same content there, and it is whole (it was read
        again just now); keep it and delete the staged one.

    Raises:
        BadInput: another session's archive is there.
        BadFile: the same archive is there but damaged.
    """
    if not os.path.lexists(final):
        return None
    if not _same_manifest(staging, final):
        if not force:
            raise _occupied(staging, final)
        return None
    try:
        return verify_archive(final, check=check, progress=progress).require()
    except BadFile as error:
        if force:
            return None
        raise BadFile(
            str(final),
            found=error.found,
            expected=f"{error.expected}: it was archived before, and is damaged now",
            action="Keep the raw data. `opticstream lsm process … --force-rerun` moves the damaged one aside.",
        ) from None


def publish_archive(staging: Path, final: Path, *, force: bool = False) -> Path | None:
    """Rename a finished archive to its own name; durable when this returns.

    Args:
        staging: the finished archive under its temporary name, in the same folder as ``final``.
        final: the name it shall get.
        force: what is there is moved aside to ``{name}.superseded-1`` (or -2, …), never deleted.

    Returns:
        The name to which an archive was moved aside, or None.

    Raises:
        BadFile: the staged folder has no manifest.
        BadInput: something is there already and ``force`` is not set.
        WriteFailed: a rename is refused.
    """
    read_manifest(staging)
    aside = None
    try:
        if os.path.lexists(final):
            if not force:
                raise _occupied(staging, final)
            aside = _free_name(final)
            rename(final, aside)
        try:
            rename(staging, final)
        except OSError:
            if aside is not None and not os.path.lexists(final):
                rename(aside, final)
            raise
        for folder in {staging.parent, final.parent}:
            sync_folder(folder)
    except OSError as error:
        raise write_failed(final, error) from error
    return aside


def _free_name(final: Path) -> Path:
    number = 1
    while os.path.lexists(path := final.with_name(f"{final.name}.superseded-{number}")):
        number += 1
    return path


def _same_manifest(staging: Path, final: Path) -> bool:
    ours = read_manifest(staging).sums()
    try:
        return (final / SUMS_NAME).read_bytes() == ours
    except OSError:
        return False


def _occupied(staging: Path, final: Path) -> BadInput:
    try:
        found = f"an archive of {len(read_manifest(final).files)} other files"
    except BadFile:
        found = "something that is no archive of ours"
    return BadInput(
        str(final),
        found=found,
        expected=f"no archive yet, or the content of {staging}",
        action="Check the slice offset and the project. `opticstream lsm process … --force-rerun` moves the old one aside.",
    )
