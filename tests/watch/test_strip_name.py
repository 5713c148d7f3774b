import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.watch import StripName

NAMES = {
    "Run3": (3, 1, 1),
    "Run3_1": (3, 1, 2),
    "Run3_C2": (3, 2, 1),
    "Run3_C2_4": (3, 2, 5),
    "run03_c2_04": (3, 2, 5),
    "RUN12_C11_0": (12, 11, 1),
    "Scan3": None,
    "processed": None,
    "notes": None,
    "xRun3": None,
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_default_names(name, expected):
    assert StripName.parse(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "Run",
        "Run_test",
        "Run3_",
        "Run3_C",
        "Run3_C0",
        "Run0",
        "Run3_4_C2",
        "Run3_C2_4_5",
        "Run3-1",
        "Run٣",
        "Run9999999999",
        "Run3_999999999",
        "running",
    ],
)
def test_a_name_that_matches_but_says_no_strip_is_refused(name):
    with pytest.raises(BadInput) as error:
        StripName.parse(name)
    assert error.value.where == name
    assert "Run3_C2_4" in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "Scan7_C2", (7, 2, 1)),
        ("*", "Übung7_2", (7, 1, 3)),
        ("scan*, Run*", "Scan7", (7, 1, 1)),
        ("scan*, Run*", "run7", (7, 1, 1)),
        ("scan*", "Run7", None),
        ("Run[12]", "Run3", None),
        ("*", "Processed3", None),
    ],
)
def test_patterns(pattern, name, expected):
    assert StripName.parse(name, pattern) == expected


@pytest.mark.parametrize("pattern", ["", " ,", "a/Run*", "a\\Run*"])
def test_bad_patterns(pattern):
    with pytest.raises(BadInput, match="--pattern"):
        StripName.parse("Run1", pattern)


_number = st.integers(1, 999_999_999)


@given(_number, _number, _number, st.sampled_from([str.lower, str.upper, str.title, str]))
def test_the_shortest_name_reads_back(run, channel, strip, case):
    name = StripName(run, channel, strip)
    assert StripName.parse(case(str(name))) == name


@given(st.text(alphabet="Run_C0123456789 x-", max_size=14))
def test_any_name_is_read_left_alone_or_refused(text):
    try:
        name = StripName.parse(text)
    except BadInput:
        return
    assert name is None or min(name) >= 1
