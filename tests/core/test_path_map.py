"""Paths that another host wrote down, found on this one."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.core.path_map import local_path
from opticstream.core.settings import load_settings

names = st.text(string.ascii_letters + string.digits + "_- äλ光", min_size=1, max_size=12).filter(
    lambda name: name.strip() == name and name not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=5)

RIGS = {"D:\\": "/mnt/rig-d", "D:\\data\\lightsheet": "/mnt/fast", r"\\nas\raw": "/mnt/nas", "/Volumes/raw": "/mnt/raw"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"D:\brain\Run1", "/mnt/rig-d/brain/Run1"),
        (r"d:\brain\Run1", "/mnt/rig-d/brain/Run1"),
        ("D:/brain/Run1", "/mnt/rig-d/brain/Run1"),
        ("D:\\", "/mnt/rig-d"),
        (r"D:\data\lightsheet\Run1", "/mnt/fast/Run1"),
        (r"D:\DATA\LightSheet\Run1", "/mnt/fast/Run1"),
        (r"D:\data\lightsheet2\Run1", "/mnt/rig-d/data/lightsheet2/Run1"),
        (r"\\nas\raw\brain\Run1", "/mnt/nas/brain/Run1"),
        (r"\\NAS\RAW\brain\Run1", "/mnt/nas/brain/Run1"),
        (r"\\nas\raw2\Run1", r"\\nas\raw2\Run1"),
        (r"E:\brain\Run1", r"E:\brain\Run1"),
        ("/Volumes/raw/Run1", "/mnt/raw/Run1"),
        ("/volumes/raw/Run1", "/volumes/raw/Run1"),
        ("/Volumes/raw2/Run1", "/Volumes/raw2/Run1"),
        ("/Volumes", "/Volumes"),
    ],
)
def test_the_longest_folder_that_fits_is_replaced(text: str, found: str) -> None:
    assert local_path(text, RIGS) == Path(found)
    assert local_path(text, dict(reversed(RIGS.items()))) == Path(found)


@pytest.mark.parametrize("folder", ["D:", "D:\\", "D:/", "d:"])
def test_a_drive_may_be_written_as_people_write_it(folder: str) -> None:
    assert local_path(r"D:\brain\Run1", {folder: "/mnt/rig"}) == Path("/mnt/rig/brain/Run1")


def test_a_posix_name_with_a_colon_is_no_drive() -> None:
    assert local_path("/:odd/Run1", {"/:odd": "/mnt/odd"}) == Path("/mnt/odd/Run1")


@given(parts=paths)
def test_without_a_map_a_path_stays(parts: list[str]) -> None:
    text = "/" + "/".join(parts)
    assert local_path(text, {}) == Path(text)


@given(root=paths, parts=paths)
def test_what_lies_below_a_mapped_folder_keeps_its_place(root: list[str], parts: list[str]) -> None:
    for text, folder in (
        ("/".join(["", *root, *parts]), "/".join(["", *root])),
        ("\\".join(["Z:", *root, *parts]), "\\".join(["Z:", *root])),
        ("\\".join(["Z:", *root, *parts]), "\\".join(["z:", *root]) + "\\"),
    ):
        assert local_path(text, {folder: "/here"}) == Path("/here", *parts)


def test_the_setting_is_an_object(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTICSTREAM_PATH_MAP", r'{"D:\\": "/mnt/rig-d"}')
    assert load_settings().path_map == {"D:\\": "/mnt/rig-d"}
    monkeypatch.delenv("OPTICSTREAM_PATH_MAP")
    home.mkdir()
    (home / "settings.yaml").write_text("path_map:\n  'D:\\': /mnt/rig-d\n")
    assert load_settings().path_map == {"D:\\": "/mnt/rig-d"}


@pytest.mark.parametrize("text", ["D:\\=/mnt/rig-d", '["D:", "/mnt"]', '{"D:": 3}'])
def test_anything_else_is_one_error_that_names_the_variable(
    text: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTICSTREAM_PATH_MAP", text)
    with pytest.raises(BadInput, match="OPTICSTREAM_PATH_MAP"):
        load_settings()
