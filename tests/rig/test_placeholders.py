import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.rig.bad_parameters import Problem
from opticstream.rig.placeholders import Placeholders

VALUES = {
    "subject_id": "m1",
    "n": 7,
    "half": 0.5,
    "yes": True,
    "table": {"a": 1, "b": {"c": "{n}"}},
    "many": [1, 2],
    "modality": "{subject_id}-x",
    "root": "D:/{modality}",
    "odd key (1)": "odd",
    "session_sync_secret": "hunter2",
}
RIG = {"COM_port": "COM3", "camera": {"face": {"ms": 5.5}}, "list": [1, "{n}"], "n": 99, "dotted.key": "d"}
SESSION = {"session_uuid": "s1", "output_session_folder": "/data/s1"}


def make(values=VALUES, **more):
    return Placeholders(values, RIG, session=SESSION, environment={"USER_X": "{n}", "A": "a"}, **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{subject_id}", "m1"),
        ("{mouse_id}", "m1"),
        ("{session_uuid}", "s1"),
        ("{output_session_folder}/x", "/data/s1/x"),
        ("{session_folder}\\x", "/data/s1\\x"),
        ("{rig_param:COM_port}", "COM3"),
        ("{rig_param: camera.face.ms }", 5.5),
        ("{rig_param:dotted.key}", "d"),
        ("{rig_param:n}", 7),  # a parameter wins over the rig's value of the same key
        ("{rig_param:table.b.c}", 7),
        ("{rig_param:list}", [1, 7]),
        ("{n}", 7),
        ("{half}", 0.5),
        ("{yes}", True),
        ("n={n} {half} {yes}", "n=7 0.5 True"),
        ("{root}/{n}", "D:/m1-x/7"),
        ("{odd key (1)}", "odd"),
        ("$A/${A}", "a/a"),
        ("$USER_X", "{n}"),  # what the environment says is not looked into
        (r"\\server\c$\x", r"\\server\c$\x"),
        ("{{subject_id}}", "{subject_id}"),
        ("{{{subject_id}}}", "{m1}"),
        ("{{", "{"),
        ("}}", "}}"),
        ("a}b{c", "a}b{c"),
        ('{"a": {"b": {"c": 1}}}', '{"a": {"b": {"c": 1}}}'),
        ("x{1,3}", "x{1,3}"),
        ("{}", "{}"),
        ("", ""),
        (5, 5),
        (None, None),
        (["{n}", {"{n}": "{n}"}], [7, {"{n}": 7}]),
    ],
)
def test_expands(text, expected):
    placeholders = make()
    found = placeholders.expand(text)
    assert found == expected and type(found) is type(expected)
    assert placeholders.problems == placeholders.warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "{unknown}",
        "{subject_id!r}",
        "{subject_id.__class__}",
        "{subject_id.upper}",
        "{subject_id[0]}",
        "{n:05d}",
        "{table}",
        "{many}",
        "{session_sync_secret}",
        "$UNKNOWN",
        "${UNKNOWN}",
    ],
)
def test_what_is_unknown_stays_with_a_warning(text):
    placeholders = make()
    assert placeholders.expand({"k": [f"a {text} b"]}, "key") == {"k": [f"a {text} b"]}
    assert placeholders.expand(text) == text
    assert placeholders.problems == ()
    first, *_ = placeholders.warnings
    assert first.startswith("key.k[0]: ") and "stays as it is" in first


def test_what_the_rig_does_not_know_is_a_problem():
    placeholders = make()
    assert placeholders.expand("{rig_param:nope}/{rig_param:camera.nose}/{rig_param:session_sync_secret}", "path")
    assert [(problem.key, problem.found) for problem in placeholders.problems] == [
        ("path", "{rig_param:nope}"),
        ("path", "{rig_param:camera.nose}"),
        ("path", "{rig_param:session_sync_secret}"),
    ]
    assert "COM_port, camera" in placeholders.problems[0].expected


def test_a_table_within_a_text_is_a_problem():
    placeholders = make()
    placeholders.expand("x {rig_param:camera}", "key")
    assert placeholders.problems == (
        Problem("key", "{rig_param:camera} = {'face': {'ms': 5.5}}", "a text or number within a longer text"),
    )


def test_percent_signs_are_variables_on_windows_only():
    assert make(windows=True).expand("%A%/50%/%A%") == "a/50%/a"
    assert make(windows=False).expand("%A%") == "%A%"


def test_what_is_known_later_stays_without_a_warning():
    placeholders = Placeholders(
        {"a": "{session_folder}/{subject_id}"}, {}, later=frozenset({"output_session_folder", "subject_id"})
    )
    assert placeholders.expand_all() == {"a": "{session_folder}/{subject_id}"}
    assert placeholders.warnings == ()


def test_circles_end():
    placeholders = Placeholders({"a": "x{b}", "b": "y{a}", "c": "{c}", "d": "{rig_param:e}"}, {"e": "{rig_param:d}"})
    found = placeholders.expand_all()
    assert all(isinstance(value, str) for value in found.values())
    assert "circle" in placeholders.warnings[0] and "a" in placeholders.warnings[0]


def test_doubling_ends():
    values = {f"k{i}": f"{{k{i + 1}}}" * 10 for i in range(15)} | {"k15": "x" * 10}
    placeholders = Placeholders(values, {})
    found = placeholders.expand_all()
    assert max(map(len, found.values())) <= 1_000_000
    assert placeholders.problems and "at most 1000000 characters" in placeholders.problems[0].expected


def test_long_chains_end():
    values = {f"k{i}": f"{{k{i + 1}}}" for i in range(2000)} | {"k2000": "end"}
    placeholders = Placeholders(values, {})
    assert placeholders.expand_all()["k1990"] == "end"
    assert placeholders.warnings


_plain = st.text(alphabet=st.characters(exclude_characters="{}$%", exclude_categories=("Cs",)), max_size=12)
_pieces = st.sampled_from(["{n}", "{subject_id}", "{session_uuid}", "{rig_param:COM_port}"])
_MEANING = {"{n}": "7", "{subject_id}": "m1", "{session_uuid}": "s1", "{rig_param:COM_port}": "COM3"}


@given(st.lists(_plain | _pieces, min_size=2, max_size=8))
def test_each_placeholder_is_replaced_and_the_rest_kept(parts):
    text = "." + "".join(parts)
    assert make().expand(text) == "." + "".join(_MEANING.get(part, part) for part in parts)


_balanced = st.recursive(
    st.text(alphabet=string.ascii_letters, max_size=4),
    lambda inner: inner.map("{{{}}}".format) | st.tuples(inner, inner).map("".join),
    max_leaves=6,
)


@given(_balanced)
def test_doubled_braces_come_back_single(text):
    assert make().expand("x" + text.replace("{", "{{").replace("}", "}}")) == "x" + text


@given(st.text(max_size=40) | st.text(alphabet="{}$%:.!n[]_ab", max_size=40), st.booleans())
def test_any_text_is_expanded_without_an_error(text, windows):
    placeholders = make(windows=windows)
    placeholders.expand(text)
    assert "hunter2" not in str(placeholders.expand(text))


@given(st.dictionaries(st.sampled_from("abcdef"), st.text(alphabet="{}abcdefx", max_size=12), max_size=6))
def test_any_web_of_keys_ends(values):
    placeholders = Placeholders(values, {})
    assert placeholders.expand_all().keys() == values.keys()
    assert placeholders.problems == ()
