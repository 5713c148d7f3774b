"""Values come back equal, or are refused; nothing in between."""

import enum
import json
import math
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.rig.session_state import SessionStateMixin, Unreadable, Unwritable, decode, encode


class Phase(enum.Enum):
    BASELINE = 1
    STIMULUS = "two"


class Bits(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: int


class Level(enum.IntEnum):
    LOW = 1


def through_a_file(value):
    return decode(json.loads(json.dumps(encode(value))))


def same(one, two):
    if isinstance(one, float) and isinstance(two, float) and math.isnan(one):
        return math.isnan(two)
    if type(one) is not type(two):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return len(one) == len(two) and all(
            same(*keys) and same(one[keys[0]], two[keys[1]]) for keys in zip(one, two, strict=True)
        )
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    return bool(one == two)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**5000, max_value=10**5001)
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(ZoneInfo("Europe/Berlin")), allow_imaginary=False)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.sampled_from([Phase.BASELINE, Phase.STIMULUS, Bits.A, Bits.A | Bits.B, Bits(0), Level.LOW])
    | st.sampled_from([Path("a/b"), Path("/x y"), np.int16(-3), np.float32(0.1), np.float64(2.5), np.bool_(True)])
)
KEYS = (
    st.text()
    | st.integers()
    | st.none()
    | st.tuples(st.integers(), st.text())
    | st.sampled_from(["$type", Phase.BASELINE])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(st.integers() | st.text(), max_size=4)
        | st.frozensets(st.binary(max_size=3), max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_nested_values_come_back_equal(value):
    assert same(value, through_a_file(value))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), VALUES, max_size=5))
@settings(max_examples=60, deadline=None)
def test_whole_launchers_come_back_equal(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("state")

    class Launcher(SessionStateMixin):
        pass

    one, two = Launcher(), Launcher()
    names = {name: value for name, value in values.items() if name not in Launcher.never_persistent}
    vars(one).update(names)
    assert one.save_session_state(folder) and two.load_session_state(folder)
    assert same(dict(sorted(vars(one).items())), dict(sorted(vars(two).items())))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$type", "value", "dtype", "shape", "class", "zone", "a"]), inner, max_size=4
        )
        | st.builds(
            lambda kind, rest: {"$type": kind} | rest,
            st.sampled_from(
                [
                    "int",
                    "float",
                    "tuple",
                    "set",
                    "frozenset",
                    "dict",
                    "datetime",
                    "date",
                    "time",
                    "timedelta",
                    "path",
                    "bytes",
                    "enum",
                    "numpy",
                ]
            ),
            st.dictionaries(st.sampled_from(["value", "dtype", "shape", "class", "zone"]), inner, max_size=4),
        )
    ),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=500, deadline=None)
def test_whatever_stands_in_a_file_is_a_value_or_unreadable(data):
    try:
        decode(data)
    except Unreadable as error:
        assert len(str(error)) <= 220


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.zeros((0, 3)),
        np.array(3.5),
        np.array(["a", "bc"]),
        np.array(["2026-01-02"], dtype="M8[ns]"),
        np.asfortranarray(np.arange(4.0).reshape(2, 2)),
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
)
def test_small_arrays(value):
    assert same(np.ascontiguousarray(value).reshape(value.shape), through_a_file(value))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        1j,
        range(3),
        np.array([object()]),
        np.zeros(200_000),
        np.ma.masked_array([1, 2], [True, False]),
        np.zeros(2, dtype=[("a", "i4")]),
        {"a": [object()]},
        {object(): 1},
        time(12, tzinfo=ZoneInfo("Europe/Berlin")),
    ],
    ids=repr,
)
def test_everything_else_is_refused(value):
    with pytest.raises(Unwritable):
        encode(value)


def test_plain_values_stay_plain_and_subclasses_become_their_base():
    plain = {"a": [1, 2.5, None, True, "x"], "b": {}}
    assert encode(plain) == plain
    assert through_a_file([OrderedDict(a=1), Point(1, 2)]) == [{"a": 1}, (1, 2)]
    assert through_a_file(datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)).fold == 1
    assert through_a_file(date(2026, 1, 2)) == date(2026, 1, 2) and through_a_file(timedelta(-1)) == timedelta(-1)


def test_a_file_does_not_decide_what_is_imported():
    import sys

    assert "antigravity" not in sys.modules
    for where in ("antigravity:x", "os:system", "builtins:dict", "enum:Enum", f"{__name__}:Phase.BASELINE", ":", 7):
        with pytest.raises(Unreadable):
            decode({"$type": "enum", "value": "BASELINE", "class": where})
    assert "antigravity" not in sys.modules


def test_nesting_has_an_end():
    deep = value = []
    for _ in range(100):
        value.append([])
        value = value[0]
    with pytest.raises(Unwritable, match="60 deep"):
        encode(deep)
    with pytest.raises(Unreadable):
        decode(json.loads("[" * 300 + "]" * 300))
