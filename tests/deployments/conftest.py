"""A lab in event mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.site import Site


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    home.mkdir()
    made = Site(home, 2, 12)
    try:
        yield made
    finally:
        made.end()
