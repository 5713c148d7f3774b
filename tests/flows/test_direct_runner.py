"""Direct mode: the API may be away, hooks follow successes only, and what dead watchers left is taken over."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opticstream.core.errors import OpticstreamError, ServerUnavailable, StoreUnavailable
from opticstream.core.identifiers import UnitId
from opticstream.core.settings import Settings
from opticstream.flows import direct_runner
from opticstream.flows.direct_runner import DirectFlow, DirectRunner
from opticstream.flows.oct_watch import OCTWatchOptions, _process, _warm, watch_oct
from opticstream.watch import LogObserver, NotNow
from support.brain import Brain


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first unit wait as long as the imports take on a busy computer."""
    monkeypatch.setattr(direct_runner, "_START_S", 600.0)


@dataclass
class FakeApi:
    """Only whether the API is there is made up; the flows run on the real one."""

    there: bool = True
    alive: bool = True

    def ensure(self) -> None:
        if not self.there:
            raise ServerUnavailable("Prefect API", found="no answer")

    def healthy(self) -> bool:
        return self.alive


@dataclass
class Notes(LogObserver):
    ended_as: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def began(self, ident: UnitId, files: int) -> None:
        assert files == 2

    def progress(self, step: str, done: int, total: int) -> None:
        raise AssertionError("a batch has no long steps")

    def ended(self, ident: UnitId, status: str, seconds: float) -> None:
        self.ended_as.append((ident.key, status))


def runner(
    brain: Brain, api: FakeApi | None = None, refresh: Callable[[], bool] | None = None, stop: bool = False
) -> DirectRunner:
    stopping = threading.Event()
    if stop:
        stopping.set()
    flow = DirectFlow("batch", ("process",), _process, lambda _: 2)
    return DirectRunner(
        brain.state, [flow], api or FakeApi(), warm=_warm, refresh=refresh, progress=Notes(), stop=stopping
    )


def test_the_hook_follows_a_success_and_not_a_failure(brain: Brain) -> None:
    calls: list[int] = []
    direct = runner(brain, refresh=lambda: bool(calls.append(1)) or True)
    brain.ready(1)
    assert direct.run(brain.ident(1)) and calls == [1]
    brain.ready(2)[0].write_bytes(b"x" * 400)
    with pytest.raises(OpticstreamError, match="image_0003"):
        direct.run(brain.ident(2))
    assert calls == [1] and direct.outcomes == {"completed": 1, "failed": 1}


def test_while_the_api_is_away_batches_stay_ready_and_no_attempt_counts(brain: Brain) -> None:
    api = FakeApi(alive=False)
    direct = runner(brain, api)
    brain.ready()
    with pytest.raises(NotNow, match="does not answer"):
        direct.run(brain.ident())
    assert (brain.row().status, brain.row().attempts) == ("ready", 0)
    api.alive = True
    assert direct.run(brain.ident()) and brain.row().attempts == 1


def test_what_keeps_a_flow_from_claiming_its_batch_is_told(brain: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    from opticstream.tasks import oct_batch

    def away(fallback: str) -> str:
        raise StoreUnavailable("state store", found="the server refuses")

    monkeypatch.setattr(oct_batch, "run_owner", away)
    brain.ready()
    with pytest.raises(NotNow, match="the server refuses"):
        runner(brain).run(brain.ident())
    assert brain.row().status == "ready"


def test_a_stop_ends_the_wait_for_the_api(brain: Brain) -> None:
    direct = runner(brain, FakeApi(there=False), stop=True)
    brain.ready()
    with pytest.raises(NotNow, match="being made ready"):
        direct.run(brain.ident())
    direct.close()


def test_a_batch_in_other_hands_is_not_settled(brain: Brain) -> None:
    direct = runner(brain)
    brain.ready()
    claim = brain.state.claim(brain.ident(), "process", owner="another")
    assert direct.run(brain.ident()) is False
    brain.state.release(claim)


def test_a_watch_takes_over_what_a_dead_watcher_left(brain: Brain) -> None:
    """Registered by a watcher that is gone, its folder not even the watched one."""
    brain.ready(1)
    other = brain.tiles.parent / "elsewhere"
    other.mkdir()
    options = OCTWatchOptions(stability_seconds=0, poll_interval_s=0.1, once=True)
    notes = Notes()
    summary = watch_oct(
        brain.database, brain.config, other, options, api=FakeApi(), progress=notes, stop=threading.Event()
    )
    assert summary.outcomes == {"completed": 1}
    assert notes.ended_as == [("slice-01/mosaic-001/batch-001", "completed")]


def test_a_dry_run_needs_no_api_and_changes_nothing(brain: Brain, settings: Settings, tmp_path: Path) -> None:
    from support.oct_folder import write_batch

    write_batch(brain.tiles, 1, 1)
    options = OCTWatchOptions(stability_seconds=0, poll_interval_s=0.1, once=True, dry_run=True)
    api = FakeApi(there=False, alive=False)
    summary = watch_oct(
        brain.database, brain.config, brain.tiles, options, api=api, progress=Notes(), stop=threading.Event()
    )
    assert summary.report is not None
    assert [str(ready.ident) for ready in summary.report.would_dispatch] == ["oct/brain/slice-01/mosaic-001/batch-001"]
    assert brain.state.peek(brain.ident()) is None
