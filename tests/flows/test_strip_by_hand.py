"""Strips that are given to the flow with their folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.core.settings import load_settings
from opticstream.state import open_database
from opticstream.state.edit import mark
from opticstream.state.selection import Selection
from support.sheet import Sheet, sheet_config


@pytest.fixture
def sheet(prefect_api: str, home: Path) -> Iterator[Sheet]:
    settings = load_settings()
    with open_database(settings) as database:
        made = Sheet(settings, database, home.parent, sheet_config(home.parent))
        made.configure()
        made.simulate()
        yield made


def test_another_folder_than_a_strip_was_registered_from_is_refused(sheet: Sheet) -> None:
    folder = sheet.ready()
    again = sheet.raw / "again"
    shutil.copytree(folder, again)
    with pytest.raises(BadInput, match=r"another folder than .*strip-0001 was registered from"):
        sheet.process(strip_path=str(again))
    assert sheet.row().status == "ready"
    assert sheet.process(strip_path=str(folder))["raw"] == "renamed"
    again.rename(folder)  # a new acquisition under the name of the one that was moved aside
    assert sheet.process(strip_path=str(folder))["outcome"] == "done"
    with pytest.raises(BadInput, match="another folder"):
        sheet.process(strip_path=str(folder), force_rerun=True)
    assert sheet.row().status == "completed"


def test_a_strip_that_an_operator_marked_gets_the_folder_it_is_given(sheet: Sheet) -> None:
    mark(sheet.state, "strip", Selection((1, 1, 1)), "ready", None)
    assert sheet.process(strip_path=str(sheet.raw / "Run1"))["outcome"] == "processed"
