"""Units of several stages: they may be done on two hosts, and the last one waits for verified products of the rest."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.errors import ClaimLost, ClaimRefused, ProjectNotFound
from opticstream.core.identifiers import BatchId
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_events import CHANNEL_READY, STRIP_READY
from opticstream.core.lsm_identifiers import ChannelId, LSMSliceId, StripId
from opticstream.core.settings import load_settings
from opticstream.state import LSM_TREE, Claim, Database, ProjectState, open_database, setup_project
from opticstream.state.edit import mark, retry
from opticstream.state.offers import ready_units, stalled_offers
from opticstream.state.parents import settle_all
from opticstream.state.selection import Selection
from opticstream.state.service import LSM_STATE_SERVICE, OCT_STATE_SERVICE
from opticstream.state.stalled import stalled_direct_units
from opticstream.state.tables import outbox
from opticstream.tasks.jobs import ARCHIVE, CHANNELS, STRIPS, STRIPS_WITHOUT_ARCHIVE
from support.parallel import in_parallel

STRIP = StripId(project="brain", slice=1, channel=1, strip=1)
NEXT = StripId(project="brain", slice=1, channel=1, strip=2)
VERIFIED = {"verified": True}


@pytest.fixture
def state(database: Database, tmp_path: Path) -> ProjectState:
    return project(database, tmp_path, archive_path=tmp_path / "a", distribute_archive=True)


def project(database: Database, folder: Path, **options: Any) -> ProjectState:
    config = LSMScanConfig(project_name="brain", project_base_path=folder, strips_per_slice=2, **options)
    return setup_project(database, LSM_TREE, "brain", config)


def ready(state: ProjectState, ident: StripId = STRIP, dispatch: Any = "event") -> None:
    source = {"strip_path": "Run1"}
    assert state.register_ready(ident, fingerprint="f", source=source, dispatch=dispatch).registered


def take(state: ProjectState, stage: str, ident: StripId | ChannelId = STRIP) -> Claim:
    return state.claim(ident, stage, owner="t")


def finish(state: ProjectState, stage: str, ident: StripId = STRIP, result: dict[str, Any] | None = None) -> None:
    with state.commit(take(state, stage, ident), result=VERIFIED if result is None else result) as unit:
        if stage == "compress":
            unit.set_milestone("compressed")


def status(state: ProjectState, ident: Any = STRIP) -> str:
    view = state.peek(ident)
    assert view is not None
    return view.status


def test_the_last_stage_waits_for_all_others(state: ProjectState) -> None:
    ready(state)
    with pytest.raises(ClaimRefused, match="compress, archive not committed yet"):
        take(state, "cleanup")
    finish(state, "compress")
    with pytest.raises(ClaimRefused, match="archive not committed yet") as refused:
        state.claim(STRIP, "cleanup", owner="t", force=False)
    assert refused.value.reason == "early"
    finish(state, "archive")
    assert status(state) == "running"
    finish(state, "cleanup")
    assert status(state) == "completed"


def test_a_stage_that_verified_nothing_keeps_the_last_one_away(state: ProjectState) -> None:
    ready(state)
    finish(state, "compress")
    finish(state, "archive", result={"files": 3})
    with pytest.raises(ClaimRefused, match="archive committed without verified products"):
        take(state, "cleanup")


def test_results_and_notes_stay_with_their_claims(state: ProjectState) -> None:
    ready(state)
    finish(state, "compress", result={"verified": True, "bytes": 7})
    finish(state, "archive")
    assert state.results(STRIP) == {"compress": {"verified": True, "bytes": 7}, "archive": VERIFIED}
    assert state.last_note(STRIP, "cleanup") is None
    claim = take(state, "cleanup")
    state.note(claim, {"target": "processed/Run1"})
    state.release(claim)
    assert state.last_note(STRIP, "cleanup") == {"target": "processed/Run1"}
    with pytest.raises(ClaimLost):
        state.note(claim, {})


def _end(state: ProjectState, claim: Claim) -> bool:
    """Commit a stage as another host would; say whether the clean-up was ours."""
    with open_database(state.database.settings) as database:
        own = ProjectState(database, LSM_TREE, "brain")
        with own.commit(claim, result=VERIFIED):
            pass
        try:
            take(own, "cleanup", claim.ident)  # type: ignore[arg-type]
        except ClaimRefused:
            return False
        return True


def test_of_two_hosts_that_finish_together_one_cleans_up(state: ProjectState) -> None:
    for number in range(1, 9):
        ident = StripId(project="brain", slice=2, channel=1, strip=number)
        ready(state, ident)
        claims = [take(state, stage, ident) for stage in ("compress", "archive")]
        ends = [partial(_end, state, claim) for claim in claims]
        assert sorted(in_parallel(2, lambda which, ends=ends: ends[which]())) == [False, True]


def test_a_strip_goes_through_the_stages_its_project_has(database: Database, tmp_path: Path) -> None:
    state = project(database, tmp_path, strip_cleanup_action="keep")
    ready(state)
    finish(state, "compress")
    assert status(state) == "completed"


def test_the_channel_is_ready_when_its_strips_are_compressed_and_the_slice_completed_with_it(
    state: ProjectState,
) -> None:
    channel = ChannelId(project="brain", slice=1, channel=1)
    for ident in (STRIP, NEXT):
        ready(state, ident)
        assert status(state, channel) == "pending"
        finish(state, "compress", ident)
    assert status(state, channel) == "ready" and status(state) == "running"
    assert ready_units(state, CHANNELS) == [channel]
    with state.database.peek() as connection:
        events = list(connection.execute(outbox.select()).mappings())
    assert [event["event"] for event in events] == [STRIP_READY, STRIP_READY, CHANNEL_READY]
    with state.commit(take(state, "mip", channel)) as unit:
        unit.set_milestone("mip_stitched")
    assert status(state, channel) == "completed"
    assert status(state, LSMSliceId(project="brain", slice=1)) == "completed"
    mark(state, "channel", Selection((1, 1)), "pending", None)
    assert status(state, LSMSliceId(project="brain", slice=1)) == "pending"


def test_a_channel_follows_a_project_that_is_set_up_again_with_fewer_strips(state: ProjectState) -> None:
    channel = STRIP.parent
    ready(state)
    finish(state, "compress")
    config = LSMScanConfig.model_validate(state.peek_project().config).model_copy(update={"strips_per_slice": 1})
    setup_project(state.database, LSM_TREE, "brain", config)
    assert status(state, channel) == "pending"
    assert settle_all(state.database, state.row) == 1 and status(state, channel) == "ready"
    assert settle_all(state.database, state.row) == 0
    setup_project(state.database, LSM_TREE, "brain", config.model_copy(update={"strips_per_slice": 2}))
    assert settle_all(state.database, state.row) == 1 and status(state, channel) == "pending"
    without_work = config.model_copy(update={"generate_mip": False})
    setup_project(state.database, LSM_TREE, "brain", without_work)
    assert settle_all(state.database, state.row) == 1 and status(state, channel) == "completed"
    assert status(state, channel.parent) == "completed"


def test_each_job_is_offered_its_own_stages(state: ProjectState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTICSTREAM_RECONCILE_AFTER_S", "0")
    with open_database(load_settings()) as database:
        state = ProjectState(database, LSM_TREE, "brain")
        ready(state)
        both = (STRIPS_WITHOUT_ARCHIVE, ARCHIVE)
        assert [len(stalled_offers(state, job)) for job in both] == [1, 1]
        claim = take(state, "compress")
        assert [len(stalled_offers(state, job)) for job in both] == [0, 1]
        with state.commit(claim, result=VERIFIED):
            pass
        assert [len(stalled_offers(state, job)) for job in both] == [0, 1]
        finish(state, "archive")
        assert [len(stalled_offers(state, job)) for job in both] == [1, 1]  # cleanup: whoever comes
        finish(state, "cleanup")
        assert [len(stalled_offers(state, job)) for job in (*both, STRIPS)] == [0, 0, 0]


def test_a_direct_watcher_takes_over_stage_by_stage(state: ProjectState) -> None:
    ready(state, dispatch="direct")
    assert stalled_direct_units(state, "strip", "compress") == [STRIP]
    finish(state, "compress")
    assert stalled_direct_units(state, "strip", "compress") == []
    assert stalled_direct_units(state, "strip", "cleanup") == []
    finish(state, "archive")
    assert stalled_direct_units(state, "strip", "cleanup") == [STRIP]


def test_the_archive_of_another_host_is_offered_what_a_direct_watcher_converts(
    state: ProjectState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTICSTREAM_RECONCILE_AFTER_S", "0")
    with open_database(load_settings()) as database:
        state = ProjectState(database, LSM_TREE, "brain")
        ready(state, dispatch="direct")
        claim = take(state, "compress")
        assert [len(stalled_offers(state, job)) for job in (STRIPS_WITHOUT_ARCHIVE, ARCHIVE)] == [0, 1]
        assert ready_units(state, ARCHIVE) == []
        state.release(claim)
        assert ready_units(state, ARCHIVE) == [STRIP] and ready_units(state, STRIPS_WITHOUT_ARCHIVE) == []


def test_giving_one_stage_back_leaves_the_other_one_running(state: ProjectState) -> None:
    ready(state)
    claims = [take(state, stage) for stage in ("compress", "archive")]
    state.release(claims[0])
    assert status(state) == "running"
    state.release(claims[1])
    assert status(state) == "ready"


def test_a_strip_that_failed_on_one_host_stays_failed_when_the_other_one_is_interrupted(state: ProjectState) -> None:
    ready(state)
    converting, archiving = take(state, "compress"), take(state, "archive")
    state.fail(converting, "disk full")
    state.release(archiving)
    view = state.peek(STRIP)
    assert view is not None and (view.status, view.error) == ("failed", "disk full")


def test_retry_does_again_only_what_is_missing(state: ProjectState) -> None:
    ready(state)
    finish(state, "compress")
    state.fail(take(state, "archive"), "disk full")
    assert [edit.after for edit in retry(state)] == ["ready"]
    with pytest.raises(ClaimRefused, match="already committed"):
        take(state, "compress")
    finish(state, "archive")
    finish(state, "cleanup")
    assert [edit.after for edit in retry(state, [STRIP], force=True)] == ["ready"]
    take(state, "compress")


def test_the_service_finds_state_by_identifier_and_follows_the_home(
    state: ProjectState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LSM_STATE_SERVICE.open_strip(STRIP) as unit:
        unit.set_milestone("compressed")
    try:
        view = LSM_STATE_SERVICE.peek_strip(STRIP)
        assert view is not None and view.milestones["compressed"]
        parent = LSM_STATE_SERVICE.read_channel(STRIP.parent)
        assert parent is not None and parent.children == {"pending": 1}
        monkeypatch.setenv("OPTICSTREAM_HOME", str(tmp_path / "elsewhere"))
        monkeypatch.delenv("OPTICSTREAM_STATE_URL", raising=False)
        with pytest.raises(ProjectNotFound):
            LSM_STATE_SERVICE.peek_strip(STRIP)
        with pytest.raises(ProjectNotFound):
            OCT_STATE_SERVICE.peek_batch(BatchId(project="brain", slice=1, mosaic=1, batch=1))
    finally:
        LSM_STATE_SERVICE.close()
        OCT_STATE_SERVICE.close()
