"""A lab in event mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.site import Site


def _site(home: Path, batches: int) -> Iterator[Site]:
    home.mkdir()
    made = Site(home, 2, batches)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    """Return a lab whose project has 24 batches."""
    yield from _site(home, 12)


@pytest.fixture
def large_site(home: Path) -> Iterator[Site]:
    """Return a lab whose project has 100 batches."""
    yield from _site(home, 50)
