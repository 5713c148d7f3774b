"""The progress of a long step: told to a listener, and shown as one table that is kept up to date."""

import json

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from opticstream.tasks import progress
from opticstream.tasks.progress import StepProgress, progress_row, progress_to


def test_a_step_is_told_and_shown_in_one_table(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    told: list[tuple[str, int, int]] = []

    @flow
    def long() -> None:
        step = StepProgress("step-progress-test", "Progress of a test", "convert Run1")
        for done in (10_000_000, 20_000_000, 40_000_000):
            step(done, 40_000_000)

    with progress_to(lambda *numbers: told.append(numbers)):
        long()
    assert told == [("convert Run1", done, 40_000_000) for done in (10_000_000, 20_000_000, 40_000_000)]
    with get_client(sync_client=True) as client:
        key = ArtifactFilter(key=ArtifactFilterKey(any_=["step-progress-test"]))
        (artifact,) = client.read_artifacts(artifact_filter=key)
    assert artifact.type == "table" and isinstance(artifact.data, str)
    (row,) = json.loads(artifact.data)
    assert (row["step"], row["progress"], row["done"]) == ("convert Run1", "100 %", "40 of 40 MB")


def test_an_api_that_is_away_ends_the_table_and_not_the_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)

    def away(**_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(progress, "create_table_artifact", away)
    step = StepProgress("key", "Progress of a test", "convert Run1")
    step(1, 2)
    step(2, 2)
    assert caplog.text.count("progress is not shown") == 1


@pytest.mark.parametrize(
    ("done", "total", "seconds", "expected"),
    [
        (50_000_000, 100_000_000, 2.0, ("50 %", "25 MB/s", "2 s")),
        (0, 100_000_000, 1.0, ("0 %", "0 MB/s", "?")),
        (0, 0, 0.0, ("?", "0 MB/s", "?")),
    ],
)
def test_numbers_of_a_row(done: int, total: int, seconds: float, expected: tuple[str, str, str]) -> None:
    row = progress_row("s", done, total, seconds)
    assert (row["progress"], row["rate"], row["left"]) == expected
