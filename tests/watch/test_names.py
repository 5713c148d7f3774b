import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.watch import MosaicRanges
from opticstream.watch.tile_name import TileReader, kinds_of

NAMES = {
    "mosaic_001_image_0001_processed_cropped_focus.nii": (1, 1, "complex"),
    "mosaic_12_image_345_spectral_0007_cropped_focus.nii": (12, 345, "spectral"),
    "MOSAIC_3_Image_4_Cropped_Focus.NII": (3, 4, None),
    "mosaic_3_image_4_complex_cropped_focus_2.nii": (3, 4, "complex"),
    "mosaic_3_image_4_processed_spectral_cropped_focus.nii": (3, 4, None),
    "mosaic_0_image_0_cropped_focus.nii": (0, 0, None),
    "mosaic_1_image_1_cropped_focus\nä .nii": (1, 1, None),
    "mosaic_001_image_0001_cropped_focus.nii.gz": None,
    "mosaic_001_image_0001_processed_cropped.nii": None,
    "mosaic_001_image_cropped_focus.nii": None,
    "mosaic_-1_image_1_cropped_focus.nii": None,
    "mosaic_\u0661_image_1_cropped_focus.nii": None,
    "x_mosaic_1_image_1_cropped_focus.nii": None,
    "cropped_focus.nii": None,
    "notes.txt": None,
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_default_names(name, expected):
    reader = TileReader()
    assert reader.read(name) == expected
    assert reader.read(name) == expected  # the ending is known now


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.raw", "mosaic_1_image_2_spectral_3.RAW", True),
        ("mosaic_*_processed.nii, *_spectral_*.nii", "mosaic_1_image_2_spectral_3.nii", True),
        ("mosaic_*_processed.nii, *_spectral_*.nii", "mosaic_1_image_2_processed.nii", True),
        ("mosaic_*_processed.nii, *_spectral_*.nii", "mosaic_1_image_2_dBI.nii", False),
        ("processed*", "mosaic_1_image_2_processed.nii", False),
        ("*image_2_processed*", "mosaic_1_image_2_processed.nii", True),
        ("mosaic_?_image_[12]_*", "mosaic_1_image_2_a.nii", True),
        ("mosaic_?_image_[12]_*", "mosaic_1_image_3_a.nii", False),
    ],
)
def test_patterns(pattern, name, matches):
    reader = TileReader(pattern)
    assert (reader.read(name) is not None) == matches
    assert (reader.read(name) is not None) == matches


def test_many_different_endings_are_all_read():
    reader = TileReader("*")
    assert all(reader.read(f"mosaic_1_image_1_{number}.nii") == (1, 1, None) for number in range(1000))


@pytest.mark.parametrize("pattern", ["", " , ", "spectral/*.nii", "a\\b"])
def test_bad_patterns(pattern):
    with pytest.raises(BadInput, match="--pattern"):
        TileReader(pattern)


def test_kinds():
    assert kinds_of("spectral_12bit") == ("spectral",)
    assert kinds_of("complex") == ("complex",)
    assert kinds_of("processed_with_spectral") == kinds_of("complex_with_spectral") == ("complex", "spectral")


def test_ranges_are_inclusive():
    ranges = MosaicRanges.parse("1:2,5:9")
    assert [mosaic for mosaic in range(12) if mosaic in ranges] == [1, 2, 5, 6, 7, 8, 9]
    assert (ranges.first, ranges.last, str(ranges)) == (1, 9, "1:2,5:9")


def test_ranges_default_to_all():
    assert str(MosaicRanges.parse()) == "1:999999"


@pytest.mark.parametrize(
    "text", ["", ",", "0:3", "3:1", "a", "1:2:3", "1-2", "-1:2", "1:", ":2", "1.5", "1:2,", "\u0663:\u0664"]
)
def test_bad_ranges(text):
    with pytest.raises(BadInput, match="first:last"):
        MosaicRanges.parse(text)


_span = st.tuples(st.integers(1, 60), st.integers(1, 60)).map(sorted)


@given(st.lists(_span, min_size=1, max_size=8), st.sampled_from(["", " "]))
def test_ranges_hold_what_their_spans_hold(spans, space):
    text = f"{space},{space}".join(f"{first}{space}:{space}{last}" for first, last in spans)
    ranges = MosaicRanges.parse(text)
    wanted = {mosaic for first, last in spans for mosaic in range(first, last + 1)}
    assert {mosaic for mosaic in range(70) if mosaic in ranges} == wanted
    assert MosaicRanges.parse(str(ranges)) == ranges
    assert (ranges.first, ranges.last) == (min(wanted), max(wanted))


@given(st.text(alphabet="0123456789:, -x", max_size=12))
def test_any_text_is_read_or_refused(text):
    try:
        ranges = MosaicRanges.parse(text)
    except BadInput:
        return
    assert ranges.first >= 1
