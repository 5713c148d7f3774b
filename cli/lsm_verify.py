"""``opticstream lsm verify``: is an archive still what was copied."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from opticstream.cli.console import print_json, print_line
from opticstream.cli.step_bar import StepBar
from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import read_failed

_OF_THE_SYSTEM = {"lost+found", "System Volume Information", "$RECYCLE.BIN"}
"""Folders at the top of a disk that no ordinary user may read, and that hold no archives."""


def verify(
    archive_dir: Annotated[Path, typer.Argument(metavar="ARCHIVE_DIR", help="A strip's archive, or a folder of them.")],
    raw: Annotated[Path | None, typer.Option(help="The strip's raw folder, to read it again and compare too.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Read archives back from the disk and compare every byte with their manifests.

    Exit code: 0 when everything is as it was copied; 1 when something differs; 2 when there is no archive.
    """
    root = archive_dir.expanduser().absolute()
    source = None if raw is None else raw.expanduser().absolute()
    folders, unread = _archives(root)
    if source is not None and len(folders) > 1:
        raise BadInput("--raw", found=f"{len(folders)} archives", expected="the archive of that strip alone")
    if source is not None and not source.is_dir():
        raise BadInput("--raw", found=str(raw), expected="the strip's raw folder")
    results: list[dict[str, Any]] = [
        {"verified": False, "folder": error.where, "error": str(error)} for error in unread
    ]
    for error in () if json else unread:
        print_line(f"{error.where}: not verified\n  {error}")
    with StepBar() as bar:
        for folder in folders:
            result, said = _verified(folder, source, bar)
            results.append(result)
            for line in () if json else said:
                print_line(line)
    verified = all(each["verified"] for each in results)
    if json:
        print_json({"verified": verified, "archives": results})
    if not verified:
        raise typer.Exit(1)


def _archives(root: Path) -> tuple[list[Path], list[BadFile]]:
    """Return the archives, and why folders could not be looked into: what is in them must not count as verified."""
    from opticstream.imaging.archive.manifest import SIZES_NAME, SUMS_NAME

    if not root.is_dir():
        raise BadInput("ARCHIVE_DIR", found=f"no folder {root}", expected="an archive, or a folder of archives")
    # Either list: an archive that lost one of them is a damaged archive, not none.
    unread: list[BadFile] = []
    folders = sorted(_below(root, {SUMS_NAME, SIZES_NAME}, unread))
    if not folders and not unread:
        raise BadInput("ARCHIVE_DIR", found=f"no {SUMS_NAME} in {root}", expected="an archive, or a folder of archives")
    return folders, unread


def _below(root: Path, names: set[str], unread: list[BadFile]) -> Iterator[Path]:
    """Yield the outermost folders that hold such a file, those in the making left out."""

    def refused(error: OSError) -> None:
        unread.append(read_failed(Path(error.filename or root), error))

    for folder, inner, files in os.walk(root, onerror=refused):
        if names & set(files):
            inner.clear()
            yield Path(folder)
        inner[:] = [name for name in inner if not name.startswith(".") and name not in _OF_THE_SYSTEM]


def _verified(folder: Path, source: Path | None, bar: StepBar) -> tuple[dict[str, Any], list[str]]:
    """Return the result for machines, and the lines for people."""
    from opticstream.imaging.archive import verify_archive

    try:
        found = verify_archive(folder, source=source, progress=partial(bar.show, str(folder)))
    except BadFile as error:  # the others are looked at all the same
        result = {"verified": False, "folder": str(folder), "error": str(error)}
        return result, [f"{folder}: damaged", f"  {error}"]
    number = len(found.differences)
    verdict = "verified" if found.verified else "1 file differs" if number == 1 else f"{number} files differ"
    raw = ", and so is its raw folder" if found.verified and found.source else ""
    first = f"{folder}: {found.files} files, {found.nbytes / 1e6:.1f} MB, {verdict}{raw}"
    return found.as_json(), [first, *(f"  {difference}" for difference in found.differences)]
