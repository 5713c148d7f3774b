import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile
from opticstream.rig.json_object import read_json_object


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": 1,\n "b": }', r"p\.json, line 2, column 7: found Expecting value"),
        (b'{"a": 1,}', "A comma stands before the end"),
        (b'{"a": "C:\\data"}', "Write each backslash of a path twice"),
        (b"", "The file is empty"),
        (b"[]", "found a JSON list; expected a JSON object"),
        (b"null", "a JSON null"),
        (b'"x"', "a JSON text"),
        (b"1", "a JSON number"),
        (b'{"a": NaN}', "the number NaN"),
        (b'{"a": [-Infinity]}', "the number -Infinity"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}', "'c', 'a' more than once|'a', 'c' more than once"),
        (b'{"a": "x\n\xff"}', "line 2: found byte 0xff; expected UTF-8"),
        ("{}".encode("utf-16"), "found UTF-16 text"),
        (b'{"a": "\\ud800"}', r"character \\ud800"),
        (b'{"a": ["x\\u0000"]}', r"character \\u0000"),
        (b'{"a": ' + b"[" * 80 + b"]" * 80 + b"}", "at most 64 levels"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "at most 64 levels"),
        (b'{"a": ' + b"9" * 5000 + b"}", "numbers a computer can hold"),
    ],
)
def test_what_is_refused(content, told):
    with pytest.raises(BadFile, match=told) as error:
        read_json_object(content, "p.json")
    assert error.value.where.startswith("p.json")


def test_a_byte_order_mark_is_read_over():
    assert read_json_object(b'\xef\xbb\xbf{"a": "\xc3\xbc"}', "p") == {"a": "ü"}


_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@given(st.dictionaries(st.text(), _values))
def test_what_json_writes_is_read(values):
    content = json.dumps(values).encode()
    try:
        assert read_json_object(content, "p") == values
    except BadFile as error:
        assert "character" in str(error)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0dea1 \n', max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused(content):
    try:
        assert isinstance(read_json_object(content, "p"), dict)
    except BadFile as error:
        assert error.found
