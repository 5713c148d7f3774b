"""One claimed strip: its raw folder, where its products are written, and the right to publish them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opticstream.core.errors import BadFile, WriteFailed
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_events import STRIP_ARCHIVED, STRIP_COMPRESSED
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.lsm_layout import info_file, strip_archive_path, strip_mip_path, strip_zarr_path
from opticstream.core.path_map import local_path
from opticstream.core.staged_tree import StagedTree
from opticstream.core.staging import StagedFiles, sweep_older
from opticstream.core.text import slug
from opticstream.state import Claim, ProjectState
from opticstream.tasks.claimed_work import ClaimedWork
from opticstream.tasks.progress import StepProgress

if TYPE_CHECKING:
    from opticstream.imaging.archive import ArchiveVerification, FileState
    from opticstream.imaging.lsm import ConversionRecord

COMPRESS, ARCHIVE, CLEANUP = "compress", "archive", "cleanup"


class StripWork(ClaimedWork):
    """The work on one strip; nothing is under a final name before its stage's commit has checked the token.

    Args:
        state: the project's.
        config: the project's.
        claims: of ``compress``, ``archive`` or both.
        force: another archive under this strip's name is moved aside.
    """

    def __init__(self, state: ProjectState, config: LSMScanConfig, *claims: Claim, force: bool = False) -> None:
        super().__init__(state, *claims)
        ident = claims[0].ident
        assert isinstance(ident, StripId)  # noqa: S101 (strips are claimed by StripId only)
        self.ident, self.config, self.force = ident, config, force
        self.record: ConversionRecord | None = None
        """What was converted, once it is."""
        self.archived: ArchiveVerification | None = None
        """What was archived, once it is verified."""
        self.states: Mapping[str, FileState] = {}
        """Every file of the raw folder as it was when it was read."""
        self.zarr: StagedTree | None = None
        self.files: StagedFiles | None = None
        self.mip: Path | None = None
        """Final name of the projection; None when none is made."""
        if claim := self.claim_of(COMPRESS):
            self.zarr = staged_zarr(config, ident, claim.token)
            self.files = StagedFiles(claim.token)
            self.mip = strip_mip_path(config, ident) if config.generate_mip else None
        self.archive: StagedTree | None = None
        if claim := self.claim_of(ARCHIVE):
            self.archive = staged_archive(config, ident, claim.token)

    @cached_property
    def folder(self) -> Path:
        """The raw folder, where this host sees it.

        Raises:
            BadFile: the strip was registered without one.
        """
        return raw_folder(self.state, self.source)

    @property
    def info(self) -> Path | None:
        """The camera's info file: where it is looked for, or where it lay when the raw data were moved aside."""
        before = self.source.get("info_file")
        beside = local_path(before, self.state.database.settings.path_map) if before else None
        return info_file(self.config, self.folder) or beside

    @property
    def _trees(self) -> list[StagedTree]:
        return [tree for tree in (self.zarr, self.archive) if tree is not None]

    def sweep(self) -> None:
        """Settle what dead claims of this strip left behind."""
        settle(self._trees, self.mip)

    def discard(self) -> None:
        """Remove what is still under temporary names."""
        for tree in self._trees:
            tree.discard()
        if self.files is not None:
            self.files.discard()

    def progress(self, step: str) -> StepProgress:
        """Return what shows how far a step of this strip is."""
        key = f"{slug(self.ident.project)}-{self.ident.key.replace('/', '-')}-progress"
        return StepProgress(key, f"Progress of {self.ident}", f"{step} {self.ident.key}")

    @contextmanager
    def naming_products(self) -> Iterator[None]:
        """Let an error in the body tell of a product by the name it would have got, not by its temporary one."""
        try:
            yield
        except WriteFailed as error:
            where = error.where
            for tree in self._trees:
                where = where.replace(str(tree.folder), str(tree.final))
            raise WriteFailed(where, found=error.found, expected=error.expected, action=error.action) from error

    def commit_compressed(self, result: dict[str, Any]) -> None:
        """Publish Zarr and projection and commit the stage with what was verified, in one transaction.

        Raises:
            ClaimLost: another worker took over; nothing was published.
        """
        claim = self.claim_of(COMPRESS)
        assert claim and self.zarr and self.files  # noqa: S101 (the caller has just converted)
        self.check()
        with self.state.commit(claim, result=self._signed(result)) as unit:
            self.zarr.publish()
            self.files.publish()
            unit.set_milestone("compressed")
            unit.announce(STRIP_COMPRESSED, {"strip_ident": self.ident.model_dump(mode="json")}, claim.token)
        self.committed(COMPRESS)
        self.zarr.finish()

    def commit_archived(self, result: dict[str, Any], *, kept: bool) -> None:
        """Give the archive its name and commit the stage with what was verified, in one transaction.

        Args:
            result: what was verified.
            kept: an earlier attempt's archive of the same content stands there already.

        Raises:
            ClaimLost: another worker took over; nothing was published.
        """
        from opticstream.imaging.archive import publish_archive

        claim = self.claim_of(ARCHIVE)
        assert claim and self.archive  # noqa: S101 (the caller has just archived)
        self.check()
        with self.state.commit(claim, result=self._signed(result)) as unit:
            if not kept:
                publish_archive(self.archive.folder, self.archive.final, force=self.force)
            unit.set_milestone("archived")
            unit.announce(STRIP_ARCHIVED, {"strip_ident": self.ident.model_dump(mode="json")}, claim.token)
        self.committed(ARCHIVE)
        self.archive.discard()

    def _signed(self, result: dict[str, Any]) -> dict[str, Any]:
        """Add the raw files that the result is about, as this host saw them."""
        host = self.state.database.settings.host_name
        states = {path: list(state) for path, state in self.states.items()}
        return {**result, "host": host, "raw_folder": str(self.folder), "raw_files": states}


def staged_zarr(config: LSMScanConfig, ident: StripId, token: int) -> StagedTree:
    """Return a claim's OME-Zarr of a strip."""
    from opticstream.imaging.omezarr.metadata import is_whole_zarr

    return StagedTree(token, strip_zarr_path(config, ident), is_whole=is_whole_zarr)


def staged_archive(config: LSMScanConfig, ident: StripId, token: int) -> StagedTree:
    """Return a claim's archive of a strip, in a project that has archives."""
    from opticstream.imaging.archive import is_whole_archive

    assert config.archive_path is not None  # noqa: S101 (else there is no such stage)
    return StagedTree(token, strip_archive_path(config.archive_path, ident), is_whole=is_whole_archive)


def settle(trees: list[StagedTree], mip: Path | None) -> None:
    """Finish or undo what claims before these trees' left under temporary names, the projection's too.

    Raises:
        WriteFailed: a folder cannot be renamed.
    """
    for tree in trees:
        tree.recover()
    if mip is not None and trees:
        sweep_older(mip.parent, [mip.name], trees[0].token)


def raw_folder(state: ProjectState, source: Mapping[str, Any]) -> Path:
    """Return where this host sees a strip's raw folder.

    Raises:
        BadFile: the strip was registered without one.
    """
    text = source.get("strip_path")
    if not text:
        raise BadFile("strip_path", found="none registered", expected="the strip's folder", action="Pass strip_path.")
    return local_path(str(text), state.database.settings.path_map)
