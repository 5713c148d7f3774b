"""What becomes of a raw folder once its products are verified: planned first, stored, then carried out, also twice.

The plan is made from what was verified, never from how the folder looks when it is carried out.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import rename, sync_folder, write_failed
from opticstream.core.lsm_config import CleanupAction
from opticstream.imaging.archive import changes, list_folder
from opticstream.imaging.archive.manifest import check_relative

S = TypeVar("S")

_LITTER = {"Thumbs.db", "desktop.ini", ".DS_Store"}
"""Files that an operating system puts into a folder somebody looks at; they come along."""


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """Exactly what will be done; kept in the claim's row before anything is."""

    action: CleanupAction
    folder: str
    """The raw folder, resolved."""
    target: str | None
    """For ``rename``: the folder's new place."""
    files: dict[str, tuple[int, int]]
    """(size, mtime_ns) as verified, by relative path: for ``rename`` all files of the folder, for ``delete`` those to go."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CleanupPlan":
        """Return the plan that :meth:`as_json` wrote.

        Raises:
            BadInput: it is no such plan.
        """
        try:
            files = {
                check_relative(str(path), "plan"): (int(size), int(time))
                for path, (size, time) in content["files"].items()
            }
            plan = cls(content["action"], content["folder"], content["target"], files)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput("clean-up plan", found=repr(error), expected="action, folder, target and files") from None
        if plan.action not in ("keep", "rename", "delete") or (plan.action == "rename") != (plan.target is not None):
            raise BadInput("clean-up plan", found=f"{plan.action!r} to {plan.target!r}", expected="a known action")
        return plan


class Left(NamedTuple):
    """One file that was not touched, or a folder that was not moved."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """How things are after the plan was carried out, however many times that took."""

    action: CleanupAction
    folder: str
    """Where the raw folder is now."""
    files: int
    """Planned files that are moved or deleted."""
    nbytes: int
    """Their bytes."""
    left: tuple[Left, ...]
    """What is in the way or stayed, and why; nothing of it was touched."""

    @property
    def complete(self) -> bool:
        """Whether all that was planned is done."""
        return not self.left

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it, with ``complete``."""
        return asdict(self) | {"complete": self.complete, "left": [item._asdict() for item in self.left]}


def plan_cleanup(action: CleanupAction, folder: Path, files: Mapping[str, tuple[int, int]]) -> CleanupPlan:
    """Decide what will be done; nothing is done yet.

    Args:
        action: ``keep`` nothing happens; ``rename`` the folder goes to ``processed/`` beside it, under a name that is
            free; ``delete`` the given files are deleted, the rest stays.
        folder: raw folder.
        files: (size, mtime_ns) by relative path, as they were when they were verified. For ``rename`` every file of
            the folder, so that a folder to which something came since stays where it is. For ``delete`` those to go.

    Raises:
        BadFile: the folder is absent, or a link: its files are somewhere else, perhaps in the archive.
        BadInput: a path leads out of the folder.
    """
    if folder.is_symlink() or not folder.is_dir():
        found = "a symbolic link" if folder.is_symlink() else "no folder"
        raise BadFile(str(folder), found=found, expected="the raw folder itself")
    planned = {check_relative(path, str(folder)): (size, time) for path, (size, time) in sorted(files.items())}
    resolved = folder.resolve()
    target = str(_free_name(resolved)) if action == "rename" else None
    return CleanupPlan(action, str(resolved), target, {} if action == "keep" else planned)


def _free_name(folder: Path) -> Path:
    processed = folder.with_name("processed")
    target, number = processed / folder.name, 1
    while os.path.lexists(target):
        number += 1
        target = processed / f"{folder.name}-{number}"
    return target


def carry_out(plan: CleanupPlan, check: Callable[[], object] | None = None) -> CleanupResult:
    """Do what was planned; after a crash at any point, do it again: the end is the same.

    Args:
        plan: from :func:`plan_cleanup`.
        check: called before every file; what it raises ends the work.

    Raises:
        BadInput: the new place was taken by another folder since; plan again.
        WriteFailed: the folder cannot be moved.
    """
    if plan.action == "rename":
        return _move(plan)
    if plan.action == "delete" and not Path(plan.folder).is_dir():
        # Not seen is not deleted: a share may be away.
        return CleanupResult("delete", plan.folder, 0, 0, (Left(".", "the folder is gone"),))
    left = _delete(plan, check or (lambda: None)) if plan.action == "delete" else []
    stayed = {item.path for item in left}
    done = [size for path, (size, _) in plan.files.items() if path not in stayed]
    return CleanupResult(plan.action, plan.folder, len(done), sum(done), tuple(left))


def _move(plan: CleanupPlan) -> CleanupResult:
    folder, target = Path(plan.folder), Path(str(plan.target))
    if os.path.lexists(target):
        moved = changes(without_litter(plan.files), _states(target))
        if moved.changed or moved.gone:
            raise BadInput(
                str(target),
                found="a folder with other files",
                expected=f"none, or what was in {folder}",
                action="It came there after the clean-up was planned; plan it again.",
            )
    elif left := _in_the_way(plan, folder):
        return CleanupResult("rename", plan.folder, 0, 0, tuple(left))
    else:
        try:
            target.parent.mkdir(exist_ok=True)
            rename(folder, target)
            for changed in (folder.parent, target.parent):
                sync_folder(changed)
        except OSError as error:
            raise write_failed(target, error) from error
    return CleanupResult("rename", str(target), len(plan.files), sum(size for size, _ in plan.files.values()), ())


def _in_the_way(plan: CleanupPlan, folder: Path) -> list[Left]:
    if not folder.is_dir() or folder.is_symlink():
        return [Left(".", "the folder is gone, and not in its new place")]
    since = changes(without_litter(plan.files), _states(folder))
    named = (("changed since it was verified", since.changed), ("gone", since.gone), ("new since then", since.new))
    return [Left(path, reason) for reason, paths in named for path in paths]


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    return without_litter(list_folder(folder).files)


def without_litter(files: Mapping[str, S]) -> dict[str, S]:
    """Return the files that are somebody's: what an operating system leaves in a folder comes, changes and goes."""
    return {path: state for path, state in files.items() if path.rpartition("/")[2] not in _LITTER}


def _delete(plan: CleanupPlan, check: Callable[[], object]) -> list[Left]:
    folder, left = Path(plan.folder), []
    touched: set[Path] = set()
    for path, state in plan.files.items():
        check()
        file = folder / path
        try:
            if reason := _reason_to_keep(folder, file, state):
                left.append(Left(path, reason))
                continue
            file.unlink()
            touched.add(file.parent)
        except FileNotFoundError:
            continue  # an earlier attempt deleted it
        except OSError as error:
            left.append(Left(path, error.strerror or str(error)))
    for changed in touched:
        sync_folder(changed)
    return left


def _reason_to_keep(folder: Path, file: Path, state: tuple[int, int]) -> str:
    """Say why a planned file must stay; empty when it is the one that was verified.

    A folder that became a link since may lead to the archive, whose copies have the same size and time.
    """
    if file.parent.resolve() != file.parent or folder.is_symlink():
        return "its folder is a link now"
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        return "no regular file any more"
    if (status.st_size, status.st_mtime_ns) != state:
        return "changed since it was verified"
    return ""
