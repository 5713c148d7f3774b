"""One barrier for each test."""

from collections.abc import Callable, Iterator

import pytest

from opticstream.rig.sync import SyncResult
from support.sync_bench import NAME, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def released() -> Callable[..., None]:
    def check(*results: SyncResult) -> None:
        assert [(result.outcome, result.session_name) for result in results] == [("released", NAME)] * len(results)

    return check
