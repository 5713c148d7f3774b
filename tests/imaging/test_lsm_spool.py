"""Spool folders: what is whole is opened, and whatever is not is named with what was found and expected."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadFile
from opticstream.imaging.lsm import open_spool
from opticstream.imaging.lsm.spool import spool_index, spool_name
from support.spool_strip import file_name, write_info, write_strip


@pytest.mark.parametrize("bom", [True, False])
@pytest.mark.parametrize(("rows", "padded"), [(12, 14), (13, 14)])
def test_a_strip_is_opened(tmp_path: Path, bom: bool, rows: int, padded: int) -> None:
    write_strip(tmp_path, rows=rows, columns=18, more_columns=2, frames=20, frames_per_file=6, bom=bom)
    strip = open_spool(tmp_path)
    assert (strip.rows, strip.padded_rows, strip.columns, strip.stride) == (rows, padded, 18, 40)
    assert (strip.frames, strip.frames_per_file, strip.dtype, strip.background_frames) == (20, 6, "uint16", 0)
    assert strip.shape == (rows, 18, 20) and strip.nbytes == 20 * padded * 40
    assert [file.path.name for file in strip.files] == [file_name(index) for index in range(4)]


def test_files_are_in_the_order_of_their_index_beyond_ten(tmp_path: Path) -> None:
    write_strip(tmp_path, frames=25, frames_per_file=2)
    names = [file.path.name for file in open_spool(tmp_path).files]
    assert names[:3] == ["0000000000spool.dat", "1000000000spool.dat", "2000000000spool.dat"]
    assert names[12] == "2100000000spool.dat"


@settings(deadline=None)
@given(index=st.integers(0, 10**10 - 1))
def test_names_come_back(index: int) -> None:
    assert spool_index(spool_name(index)) == index and spool_name(index) == file_name(index)


@settings(deadline=None)
@given(name=st.text(max_size=20))
def test_other_names_are_no_spool_files(name: str) -> None:
    index = spool_index(name)
    assert index is None or spool_name(index) == name


def test_mono8_is_a_byte_a_pixel(tmp_path: Path) -> None:
    write_strip(tmp_path, dtype="uint8", columns=17, more_columns=3)
    strip = open_spool(tmp_path)
    assert (strip.dtype, strip.stride, strip.format.stride_pixels, strip.columns) == ("uint8", 20, 20, 17)


def test_keys_are_read_in_any_case(tmp_path: Path) -> None:
    write_strip(tmp_path)
    path = tmp_path / "acquisitionmetadata.ini"
    path.write_bytes(path.read_bytes().replace(b"AOIHeight", b"aoiheight").replace(b"[multiimage]", b"[MultiImage]"))
    assert open_spool(tmp_path).rows == 12


def test_info_file_tells_background_apart(tmp_path: Path) -> None:
    write_strip(tmp_path / "Run1", frames=20)
    strip = open_spool(tmp_path / "Run1", write_info(tmp_path / "info.mat", 20, 3))
    assert (strip.frames, strip.background_frames) == (17, 3)


def test_a_short_last_file_is_confirmed_by_the_size_of_an_image_or_a_full_file(tmp_path: Path) -> None:
    write_strip(tmp_path / "one", frames=4)
    assert open_spool(tmp_path / "one").frames == 4
    write_strip(tmp_path / "more", frames=10, ini={"ImageSizeBytes": None})
    assert open_spool(tmp_path / "more").frames == 10
    write_strip(tmp_path / "guess", frames=4, ini={"ImageSizeBytes": None})
    with pytest.raises(BadFile, match=r"0000000000spool\.dat.*nothing confirms"):
        open_spool(tmp_path / "guess")


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _resize(name: str, change: int) -> Callable[[Path], None]:
    def change_size(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:change] if change < 0 else data + bytes(change))

    return change_size


def _set(key: str, value: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "acquisitionmetadata.ini"
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
        path.write_text("\n".join(f"{key} = {value}" if line.startswith(f"{key} ") else line for line in lines))

    return change


_FRAME = 14 * 18 * 2


@pytest.mark.parametrize(
    ("damage", "named", "said"),
    [
        (_remove("Spooled files.sifx"), "Spooled files.sifx", "no such file"),
        (_remove("acquisitionmetadata.ini"), "acquisitionmetadata.ini", "No such file"),
        (_remove(file_name(1)), file_name(1), f"goes up to {file_name(3)}"),
        (_remove(file_name(0)), file_name(0), "no such file"),
        (_resize(file_name(1), -1), file_name(1), f"{6 * _FRAME} bytes"),
        (_resize(file_name(1), 8), file_name(1), f"found {6 * _FRAME + 8} bytes"),
        (_resize(file_name(1), _FRAME), file_name(1), f"found {7 * _FRAME} bytes"),
        (_resize(file_name(3), -2), file_name(3), f"found {2 * _FRAME - 2} bytes"),
        (_resize(file_name(3), -2 * _FRAME), file_name(3), "found 0 bytes"),
        (lambda folder: (folder / "12spool.dat").touch(), "12spool.dat", "without an index"),
        (lambda folder: (folder / file_name(4)).mkdir(), file_name(4), "no regular file"),
        (_set("AOIHeight", "10"), "acquisitionmetadata.ini", "ImageSizeBytes = 504"),
        (_set("AOIHeight", "0"), "acquisitionmetadata.ini", "AOIHeight = 0"),
        (_set("AOIHeight", "tall"), "acquisitionmetadata.ini", "AOIHeight = tall"),
        (_set("AOIStride", "30"), "acquisitionmetadata.ini", "AOIStride = 30"),
        (_set("AOIStride", "37"), "acquisitionmetadata.ini", "AOIStride = 37"),
        (_set("PixelEncoding", "Mono12"), "acquisitionmetadata.ini", "PixelEncoding = Mono12"),
        (_set("ImagesPerFile", "5"), file_name(0), f"expected {5 * _FRAME} bytes"),
        (_set("ImagesPerFile", "7"), file_name(0), f"expected {7 * _FRAME} bytes"),
        (lambda f: (f / "acquisitionmetadata.ini").write_text("AOIHeight"), "acquisitionmetadata.ini", "sections"),
        (lambda f: (f / "acquisitionmetadata.ini").write_text("[data]"), "acquisitionmetadata.ini", "no PixelEncoding"),
        (lambda f: (f / "acquisitionmetadata.ini").write_bytes(b"\xff\xfe\x00"), "acquisitionmetadata.ini", "UTF-8"),
    ],
)
def test_what_is_not_whole_is_named(tmp_path: Path, damage: Callable[[Path], None], named: str, said: str) -> None:
    write_strip(tmp_path)
    damage(tmp_path)
    with pytest.raises(BadFile) as raised:
        open_spool(tmp_path)
    assert raised.value.where == str(tmp_path / named) and said in str(raised.value), str(raised.value)
    assert raised.value.found and raised.value.expected


@pytest.mark.parametrize(("total", "background"), [(30, 0), (12, 2), (20, 20), (20, 25)])
def test_counts_that_contradict_the_files_are_refused(tmp_path: Path, total: int, background: int) -> None:
    """More frames than are stored, or more files than were planned."""
    write_strip(tmp_path / "Run1", frames=20)
    with pytest.raises(BadFile, match="frames"):
        open_spool(tmp_path / "Run1", write_info(tmp_path / "info.mat", total, background))


def test_a_folder_that_is_none_or_empty(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such folder"):
        open_spool(tmp_path / "Run9")
    (tmp_path / "Spooled files.sifx").touch()
    write_strip(tmp_path / "x")
    (tmp_path / "acquisitionmetadata.ini").write_bytes((tmp_path / "x" / "acquisitionmetadata.ini").read_bytes())
    with pytest.raises(BadFile, match="no spool files"):
        open_spool(tmp_path)


@settings(deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    from opticstream.imaging.lsm.spool_metadata import read_spool_format

    path = tmp_path_factory.getbasetemp() / "any.ini"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadFile):
        read_spool_format(path)
