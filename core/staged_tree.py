"""A product that is a folder, written under a name that carries the claim's token, and put in the old one's place."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from opticstream.core.errors import WriteFailed
from opticstream.core.files import remove_tree, rename, sync_folder, write_failed

log = logging.getLogger(__name__)

Recovery = Literal["nothing", "kept", "finished", "restored"]
"""What :meth:`StagedTree.recover` did: nothing was interrupted, the new tree was in place already, the interrupted
publication was finished, or undone."""


class StagedTree:
    """The folder of one claim, beside its final name: the counterpart of ``StagedFiles`` for a tree such as a Zarr.

    In order: ``recover()`` when the claim is new; write and fsync everything below ``folder``; ``publish()`` inside the
    short transaction that has just checked the token; ``finish()`` after its commit; ``discard()`` at the end, always.

    A folder cannot be replaced in one step, so ``publish()`` renames the old one aside and then the new one in. After a
    crash at any point ``recover()`` leaves one whole tree under the final name, the old or the new one.
    """

    def __init__(self, token: int, final: Path, *, is_whole: Callable[[Path], bool]) -> None:
        """Name the folders.

        Args:
            token: the claim's token.
            final: the product's folder.
            is_whole: says whether a folder is a finished product: what is written last into it is there.
        """
        self.token, self.final = token, final
        self._is_whole = is_whole
        self._aside = final.with_name(f".{final.name}.token-{token}.old")

    @property
    def folder(self) -> Path:
        """Where this claim writes; the caller creates it."""
        return self.final.with_name(f".{self.final.name}.token-{self.token}.tree")

    def publish(self) -> None:
        """Put the staged tree under the final name; the old one stays aside until :meth:`finish`.

        Raises:
            WriteFailed: the staged tree is not whole, or a rename is refused; the old tree is in its place again.
        """
        if not (self.folder.is_dir() and self._is_whole(self.folder)):
            raise WriteFailed(
                str(self.final), found=f"no finished product in {self.folder.name}", expected="one to publish"
            )
        try:
            if os.path.lexists(self.final):
                rename(self.final, self._aside)
            try:
                rename(self.folder, self.final)
            except OSError:
                if os.path.lexists(self._aside) and not os.path.lexists(self.final):
                    rename(self._aside, self.final)
                raise
            sync_folder(self.final.parent)
        except OSError as error:
            raise write_failed(self.final, error) from error

    def finish(self) -> None:
        """Delete the old tree, once the publication is committed."""
        self._remove(self._aside)

    def discard(self) -> None:
        """Delete what is still under the temporary name; what has been published stays."""
        self._remove(self.folder)

    def recover(self) -> Recovery:
        """Finish or undo what claims before this one left, and delete their temporaries.

        Only folders with a token below this claim's are touched. When no tree is in place, the new one is put there if
        its publication had begun (the old one is aside under the same token) and it is whole, else the old one.

        Raises:
            WriteFailed: a folder cannot be renamed.
        """
        try:
            done = self._settle(dict(self._older("old")))
        except OSError as error:
            raise write_failed(self.final, error) from error
        for kind in ("old", "tree", "trash"):
            for _, path in self._older(kind):
                self._remove(path)
        return done

    def _settle(self, asides: dict[int, Path]) -> Recovery:
        if not asides:
            return "nothing"
        present = os.path.lexists(self.final)
        if present and self._is_whole(self.final):
            return "kept"
        newest = sorted(asides, reverse=True)
        staged = dict(self._older("tree"))
        begun = [staged[token] for token in newest if token in staged and self._is_whole(staged[token])]
        whole = [asides[token] for token in newest if self._is_whole(asides[token])]
        # An old tree that never was whole still is what the user had; but it does not replace what is there.
        candidates = begun + whole + ([] if present else [asides[newest[0]]])
        if not candidates:
            return "kept"
        if present:
            remove_tree(self.final)
        rename(candidates[0], self.final)
        sync_folder(self.final.parent)
        done: Recovery = "finished" if candidates[0] in begun else "restored"
        log.warning("%s: an interrupted publication was %s", self.final, "finished" if begun else "undone")
        return done

    def _older(self, kind: str) -> Iterator[tuple[int, Path]]:
        """Yield (token, folder) of what claims before this one left; trash of any claim is token -1."""
        name = re.escape(self.final.name)
        pattern = re.compile(
            rf"\.{name}(?:\.token-\d+\.(?:tree|old))?\.\d+\.\d+\.trash"
            if kind == "trash"
            else rf"\.{name}\.token-(?P<token>\d+)\.{kind}"
        )
        for path in list(self.final.parent.iterdir()) if self.final.parent.is_dir() else ():
            if match := pattern.fullmatch(path.name):
                token = -1 if kind == "trash" else int(match["token"])
                if token < self.token:
                    yield token, path

    @staticmethod
    def _remove(folder: Path) -> None:
        """Delete a temporary; one that is held open (Windows) is left to the next claim, for the product is safe."""
        try:
            remove_tree(folder)
        except OSError as error:
            log.warning("%s: left for the next claim: %s", folder, error.strerror or error)
