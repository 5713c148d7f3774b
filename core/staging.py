"""A set of product files written under names that carry the claim's token, and published together."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opticstream.core.files import rename, sync_folder, writing

_STAGED = re.compile(r"\.(?P<name>.+)\.token-(?P<token>\d+)\.tmp")


class StagedFiles:
    """Temporary names for the products of one claim.

    ``path(final)`` gives the name to write (and fsync) under, ``publish()`` renames all of them; it is called inside
    the short transaction that has just checked the token, so a worker that lost its claim never touches a final name.
    """

    def __init__(self, token: int) -> None:
        self.token = token
        self._finals: dict[Path, Path] = {}

    @contextmanager
    def writing(self, final: Path) -> Iterator[Path]:
        """Yield the temporary path for ``final``; a failure to write there names ``final`` and the room left.

        Raises:
            WriteFailed: the disk is full, or the folder may not be written to.
        """
        with writing(final):
            yield self.path(final)

    def path(self, final: Path) -> Path:
        """Return the temporary path for ``final`` and remember it; the folder is created."""
        final.parent.mkdir(parents=True, exist_ok=True)
        return self._finals.setdefault(final, final.with_name(f".{final.name}.token-{self.token}.tmp"))

    @property
    def finals(self) -> tuple[Path, ...]:
        """The final names, in the order they were asked for."""
        return tuple(self._finals)

    def publish(self) -> None:
        """Rename every staged file to its final name; all must exist."""
        for final, temporary in self._finals.items():
            rename(temporary, final)
        for folder in {final.parent for final in self._finals}:
            sync_folder(folder)

    def discard(self) -> None:
        """Remove what is still under a temporary name."""
        for temporary in self._finals.values():
            temporary.unlink(missing_ok=True)


def sweep_older(folder: Path, names: Iterable[str], token: int) -> list[Path]:
    """Remove what dead claims left in ``folder`` for products called ``names``; return what was removed.

    Only temporaries of tokens below ``token`` go: a newer claim's files are never touched.
    """
    wanted = set(names)
    removed = []
    for path in folder.glob(".*.tmp") if folder.is_dir() else ():
        match = _STAGED.fullmatch(path.name)
        if match and match["name"] in wanted and int(match["token"]) < token:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed
