"""One claimed stage of a channel: the strips it joins, where the result is written, and the right to publish it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opticstream.core.errors import BadFile
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import ChannelId, StripId
from opticstream.core.lsm_layout import channel_mip_path, channel_volume_path
from opticstream.core.path_map import local_path
from opticstream.core.staged_tree import StagedTree
from opticstream.core.staging import StagedFiles, sweep_older
from opticstream.core.text import slug
from opticstream.state import Claim, ProjectState
from opticstream.tasks.claimed_work import ClaimedWork
from opticstream.tasks.progress import StepProgress

if TYPE_CHECKING:
    from opticstream.imaging.lsm_stitch import StitchRecord

MIP, VOLUME = "mip", "volume"


class ChannelWork(ClaimedWork):
    """The work on one stage of a channel; nothing is under a final name before the commit has checked the token."""

    def __init__(self, state: ProjectState, config: LSMScanConfig, claim: Claim) -> None:
        super().__init__(state, claim)
        ident = claim.ident
        assert isinstance(ident, ChannelId)  # noqa: S101 (channels are claimed by ChannelId only)
        self.ident, self.config, self.claim = ident, config, claim
        self.mip_path = channel_mip_path(config, ident)
        self.preview_path = self.mip_path.with_suffix(".png")
        self.record: StitchRecord | None = None
        self.picture: bytes = b""
        self.files = StagedFiles(claim.token)
        self.volume: StagedTree | None = None
        if claim.stage == VOLUME:
            from opticstream.imaging.omezarr.metadata import is_whole_zarr

            self.volume = StagedTree(claim.token, channel_volume_path(config, ident), is_whole=is_whole_zarr)

    def sweep(self) -> None:
        """Settle what dead claims of this stage left behind."""
        if self.volume is not None:
            self.volume.recover()
        else:
            names = [self.mip_path.name, self.preview_path.name]
            sweep_older(self.mip_path.parent, names, self.claim.token)

    def discard(self) -> None:
        """Remove what is still under temporary names."""
        self.files.discard()
        if self.volume is not None:
            self.volume.discard()

    def strip_products(self, product: str) -> list[Path]:
        """Return where the strips' verified products are, in order, by what their rows say.

        Args:
            product: ``mip`` or ``zarr``.

        Raises:
            BadFile: a strip has none, or it is not there.
        """
        found = []
        path_map = self.state.database.settings.path_map
        for number in range(1, self.config.strips_per_slice + 1):
            strip = StripId(**self.ident.model_dump(), strip=number)
            text = self.state.results(strip).get("compress", {}).get(product)
            path = local_path(text, path_map) if text else None
            if path is None or not path.exists():
                raise BadFile(
                    str(path or strip),
                    found=f"no {product} of {strip.key}",
                    expected=f"one of each of the {self.config.strips_per_slice} strips",
                    action="`opticstream lsm retry --force` makes it again, if its raw data are still there.",
                )
            found.append(path)
        return found

    def progress(self, step: str) -> StepProgress:
        """Return what shows how far a step of this channel is."""
        key = f"{slug(self.ident.project)}-{self.ident.key.replace('/', '-')}-progress"
        return StepProgress(key, f"Progress of {self.ident}", f"{step} {self.ident.key}")

    def commit(self, milestone: str, event: str, extra: dict[str, Any], result: dict[str, Any]) -> None:
        """Publish what this stage made, set its milestone and announce it, in one transaction.

        Args:
            milestone: of the channel.
            event: announces it.
            extra: its payload beside the channel.
            result: stays in the claim's row.

        Raises:
            ClaimLost: another worker took over; nothing was published.
        """
        self.check()
        with self.state.commit(self.claim, result=result) as unit:
            self.files.publish()
            if self.volume is not None:
                self.volume.publish()
            unit.set_milestone(milestone)
            unit.announce(event, {"channel_ident": self.ident.model_dump(mode="json"), **extra}, self.claim.token)
        self.committed(self.claim.stage)
        if self.volume is not None:
            self.volume.finish()
