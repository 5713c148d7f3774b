"""One claimed batch: what to read, where to write, and the right to publish it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import complex_path, contact_sheet_path, product_path, tiles_of_batch
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.staging import StagedFiles, sweep_older
from opticstream.state import Claim, ProjectState
from opticstream.tasks.claimed_work import ClaimedWork
from opticstream.watch.tile_name import TileKind, TileName, kinds_of


@dataclass(frozen=True)
class Tile:
    """One tile's raw files."""

    number: int
    path: Path
    """What is processed: the complex fields, or the spectra where only they are saved."""
    spectra: Path | None = None
    """Spectra saved beside complex fields."""


class BatchWork(ClaimedWork):
    """The work on one batch; nothing is under a final name before :meth:`commit` has checked the token."""

    def __init__(self, state: ProjectState, config: PSOCTScanConfig, claim: Claim) -> None:
        assert isinstance(claim.ident, BatchId)  # noqa: S101 (batches are claimed by BatchId only)
        super().__init__(state, claim)
        self.config, self.claim = config, claim
        self.ident: BatchId = claim.ident
        self.base = Path(claim.source.get("project_base_path") or config.project_base_path)
        self.enface: dict[int, Mapping[str, Any]] = {}
        """Tile → enface maps, (ny, nx) float32, kept small for the contact sheet."""
        self.picture: bytes = b""
        self._staged = StagedFiles(claim.token)

    @property
    def tiles(self) -> list[Tile]:
        """The tiles of the batch with their files of each kind, by tile number.

        Raises:
            BadInput: the registered files are not the tiles of this batch.
        """
        kinds = kinds_of(self.config.acquisition.tile_saving_type)
        files: dict[TileKind, list[tuple[int, Path]]] = {kind: [] for kind in kinds}
        for name in self.claim.source.get("file_list", ()):
            parsed = TileName.parse(Path(name).name)
            kind = parsed and (parsed.kind or (kinds[0] if len(kinds) == 1 else None))
            if parsed and kind in files:
                files[kind].append((parsed.tile, Path(name)))
        wanted = list(self._numbers)
        for kind, found in files.items():
            found.sort()
            if [number for number, _ in found] != wanted:
                raise BadInput(
                    f"file_list of {self.ident}",
                    found=f"{kind} tiles {[number for number, _ in found]}",
                    expected=f"one file for each of the tiles {wanted}",
                    action="Pass every tile of the batch, or let `opticstream oct watch` register it.",
                )
        beside = dict(files[kinds[1]]) if len(kinds) > 1 else {}
        return [Tile(number, path, beside.get(number)) for number, path in files[kinds[0]]]

    def writing_product(self, tile: Tile, modality: str) -> AbstractContextManager[Path]:
        """Give the temporary path under which a tile's product is written.

        Raises:
            WriteFailed: it cannot be written.
        """
        return self._staged.writing(product_path(self.base, self.ident, tile.number, modality))

    def writing_complex(self, tile: Tile) -> AbstractContextManager[Path]:
        """Give the temporary path under which a tile's reconstructed fields are written.

        Raises:
            WriteFailed: it cannot be written.
        """
        return self._staged.writing(complex_path(self.base, self.ident, tile.number))

    def writing_contact_sheet(self) -> AbstractContextManager[Path]:
        """Give the temporary path of the batch's contact sheet.

        Raises:
            WriteFailed: it cannot be written.
        """
        return self._staged.writing(contact_sheet_path(self.base, self.ident))

    @property
    def products(self) -> tuple[Path, ...]:
        """Final names of everything written so far."""
        return self._staged.finals

    def staged(self, final: Path) -> Path:
        """Return the temporary path behind a final name."""
        return self._staged.path(final)

    def commit(self, event: str) -> None:
        """Publish every product, set the milestones, complete the batch and announce it, in one transaction.

        Raises:
            ClaimLost: another worker took over; nothing was published.
        """
        self.check()
        with self.state.commit(self.claim) as unit:
            self._staged.publish()
            if self.config.acquisition.reconstructs:
                unit.set_milestone("complexed")
            for milestone in ("volume_processed", "enface_processed"):
                unit.set_milestone(milestone)
            unit.announce(event, {"batch_ident": self.ident.model_dump(mode="json")}, self.claim.token)
        self.committed(self.claim.stage)

    def sweep(self) -> None:
        """Remove what dead claims of this batch left behind."""
        for names in (self._possible_names(), self._possible_complex()):
            sweep_older(names[0].parent, [path.name for path in names], self.claim.token)

    def discard(self) -> None:
        """Remove what is still under temporary names."""
        self._staged.discard()

    def _possible_names(self) -> list[Path]:
        modalities = (*self.config.volume_modalities, *self.config.enface_modalities)
        names = [product_path(self.base, self.ident, tile, name) for tile in self._numbers for name in modalities]
        return [*names, contact_sheet_path(self.base, self.ident)]

    def _possible_complex(self) -> list[Path]:
        return [complex_path(self.base, self.ident, tile) for tile in self._numbers]

    @property
    def _numbers(self) -> range:
        return tiles_of_batch(self.ident.batch, self.config.acquisition.grid_size_y)
