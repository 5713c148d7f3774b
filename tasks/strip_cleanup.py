"""What becomes of a strip's raw data: decided by what its committed stages verified, stored, then done."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from opticstream.core.errors import BadFile, ClaimRefused, WriteFailed
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_events import STRIP_PROCESSED
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.lsm_layout import info_file, strip_mip_path
from opticstream.core.path_map import beside, name_of
from opticstream.state import Claim, ProjectState
from opticstream.tasks.claimed_work import ClaimedWork
from opticstream.tasks.claiming import run_owner
from opticstream.tasks.strip_work import (
    ARCHIVE,
    CLEANUP,
    COMPRESS,
    raw_folder,
    settle,
    staged_archive,
    staged_zarr,
)

if TYPE_CHECKING:
    from opticstream.imaging.raw_cleanup import CleanupPlan

log = logging.getLogger(__name__)

_IN_WORDS = {
    "early": "kept until every stage is done",
    "held": "cleaned up by another process now",
    "done": "cleaned up before",
    "backoff": "kept for now: its clean-up was interrupted a moment ago",
}


def raw_data_in_words(outcome: str) -> str:
    """Return what :func:`clean_up` answered as people read it after *raw data*."""
    return _IN_WORDS.get(outcome, outcome)


@task(task_run_name="clean up", cache_policy=NO_CACHE)
def clean_up(state: ProjectState, config: LSMScanConfig, ident: StripId) -> str:
    """Rename or delete the raw data once every product of the strip is verified, on whichever host is last.

    Returns:
        What happened: ``renamed``, ``deleted``, ``kept`` (the project keeps raw data), ``done`` (another run did it),
        ``held`` (another does it now), ``early`` (a product is still missing) or ``backoff``.

    Raises:
        BadFile: the raw folder is not as it was verified; what was not verified stays.
    """
    if config.strip_cleanup_action == "keep":
        return "kept"
    try:
        claim = state.claim(ident, CLEANUP, owner=run_owner("clean_up"))
    except ClaimRefused as refused:
        get_run_logger().info("%s", refused)
        return refused.reason
    with _CleanupWork(state, config, claim) as work:
        return work.run()


class _CleanupWork(ClaimedWork):
    """The clean-up of one strip, in two phases: the plan goes into the claim's row, then it is carried out."""

    def __init__(self, state: ProjectState, config: LSMScanConfig, claim: Claim) -> None:
        super().__init__(state, claim)
        self._config = config

    def sweep(self) -> None:
        """Delete what a worker left that died between the commit of its stage and the end of its own tidying.

        Nobody claims a committed stage again, so this is the last one who looks.
        """
        config, claim = self._config, self.claims[0]
        assert isinstance(claim.ident, StripId)  # noqa: S101 (strips are claimed by StripId only)
        try:
            settle([staged_zarr(config, claim.ident, claim.token)], strip_mip_path(config, claim.ident))
            if config.archive_path is not None:
                settle([staged_archive(config, claim.ident, claim.token)], None)
        except (OSError, WriteFailed) as problem:  # this host may not see the other's disk; the products are safe
            log.warning("%s: temporary files were left behind: %s", claim.ident, problem)

    def discard(self) -> None:
        """Nothing to remove."""

    def run(self) -> str:
        """Plan, store, act, commit; a plan that an earlier attempt stored is finished instead."""
        from opticstream.imaging.raw_cleanup import CleanupPlan, carry_out

        claim = self.claims[0]
        stored = self.state.last_note(claim.ident, CLEANUP)
        folder = raw_folder(self.state, claim.source)
        plan = (
            _here(CleanupPlan.from_json(stored["plan"]), folder) if stored else _plan(self.state, self._config, claim)
        )
        self.state.note(claim, {"plan": plan.as_json()})
        result = carry_out(plan, self.check)
        if not result.complete:
            left = "; ".join(f"{item.path}: {item.reason}" for item in result.left[:3])
            raise BadFile(
                plan.folder,
                found=f"{len(result.left)} files not as they were verified ({left})",
                expected="the raw folder as it was converted",
                action="Nothing of these was touched. Look at them, then retry, or move the folder by hand and mark "
                "the strip completed.",
            )
        self.check()
        with self.state.commit(claim, result={"plan": plan.as_json(), **result.as_json()}) as unit:
            unit.set_source(self._source_after(plan.action, folder, result.folder))
            payload = {"strip_ident": claim.ident.model_dump(mode="json")}
            unit.announce(STRIP_PROCESSED, payload, claim.token)
        self.committed(CLEANUP)
        return {"rename": "renamed", "delete": "deleted", "keep": "kept"}[plan.action]

    def _source_after(self, action: str, before: Path, now: str) -> dict[str, Any]:
        """Return what the unit is registered with from now on, paths as the host wrote them that registered it."""
        source = dict(self.source)
        if action == "rename":
            if self._config.info_file is None and (info := info_file(self._config, before)) is not None:
                source["info_file"] = beside(source["strip_path"], info.name)  # it stays where it is
            source["strip_path"] = beside(source["strip_path"], "processed", Path(now).name)
        return source if action == "keep" else {**source, "cleaned_up": action}


def _here(plan: "CleanupPlan", folder: Path) -> "CleanupPlan":
    """Return a plan of any host as it is carried out on this one, which may see the folder elsewhere."""
    folder = folder.resolve()
    target = None if plan.target is None else str(folder.with_name("processed") / name_of(plan.target))
    return replace(plan, folder=str(folder), target=target)


def _plan(state: ProjectState, config: LSMScanConfig, claim: Claim) -> Any:
    from opticstream.imaging.raw_cleanup import plan_cleanup

    results = state.results(claim.ident)
    stages = [results[name] for name in (COMPRESS, ARCHIVE) if name in config.strip_stages]
    folder = raw_folder(state, claim.source)
    _agree(folder, stages)
    own = next((each for each in stages if each["host"] == state.database.settings.host_name), stages[0])
    states = {path: (int(size), int(mtime)) for path, (size, mtime) in own["raw_files"].items()}
    if config.strip_cleanup_action == "delete":
        spool = set(results[COMPRESS]["spool_files"])
        states = {path: value for path, value in states.items() if path in spool}
    # Raw data that were moved aside before, and were processed again since, stay where they are.
    moved = config.strip_cleanup_action == claim.source.get("cleaned_up") == "rename"
    return plan_cleanup("keep" if moved else config.strip_cleanup_action, folder, states)


def _agree(folder: Path, stages: list[dict[str, Any]]) -> None:
    """Check that every stage verified the same raw files; two hosts may see their times differently, not their sizes.

    Raises:
        BadFile: they did not.
    """
    from opticstream.imaging.raw_cleanup import without_litter

    sizes = [{path: size for path, (size, _) in without_litter(each["raw_files"]).items()} for each in stages]
    if any(each != sizes[0] for each in sizes):
        raise BadFile(
            str(folder),
            found="other files when it was archived than when it was converted",
            expected="the same",
            action="The raw data stay. Process the strip again with --force-rerun.",
        )
