"""What an answer means, and which questions cannot be asked."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.core.operator import Question, Value

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.integers(),
    st.floats(),
    st.binary(),
    st.lists(st.text(), max_size=2),
    st.dictionaries(st.text(), st.integers(), max_size=2),
    st.sampled_from(["yes", "NO", "1", "2", " a ", "A", "25,3", "1e400", "nan", "٣", "25 g", "-0", "1_0"]),
)
WEIGHT = Question("weight", "How heavy?", "number", minimum=5, maximum=60, unit="g")
ARENA = Question("arena", "Which arena?", "choice", choices=("left", "Right", "2 b"))
READY = Question("ready", "Ready?", "confirm")
NOTES = Question("notes", "Notes?", required=False)


def _value(question: Question, answer: object) -> Value | BadInput:
    try:
        return question.value(answer)
    except BadInput as refused:
        return refused


@pytest.mark.parametrize("question", [WEIGHT, ARENA, READY, NOTES], ids=lambda q: q.kind)
@given(answer=ANYTHING)
def test_an_answer_is_of_its_kind_or_refused_in_words(question: Question, answer: object) -> None:
    value = _value(question, answer)
    if isinstance(value, BadInput):
        assert value.where == question.key and value.found and value.expected == question.expected
        return
    if value is None:
        assert not question.required
        return
    kinds: dict[str, type] = {"number": float, "choice": str, "confirm": bool, "text": str}
    assert type(value) is kinds[question.kind]
    assert question.value(value) == value, "taken again, it is the same"
    assert question.value(question.shown(value)) == value, "typed again, it is the same"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_through(number: float) -> None:
    question = Question("n", "n?", "number")
    assert question.value(number) == question.value(repr(number)) == question.value(question.shown(number)) == number


@given(st.floats(), st.floats(), st.floats())
def test_a_number_stays_in_its_range(low: float, high: float, number: float) -> None:
    try:
        question = Question("n", "n?", "number", minimum=low, maximum=high)
    except BadInput as refused:
        assert not low <= high
        assert "range" in str(refused)
        return
    taken = not isinstance(_value(question, number), BadInput)
    assert taken == (math.isfinite(number) and low <= number <= high)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5, unique_by=str.strip), st.data())
def test_every_choice_can_be_chosen(choices: list[str], data: st.DataObject) -> None:
    question = Question("c", "c?", "choice", choices=tuple(choices))
    chosen = data.draw(st.sampled_from(question.choices))
    assert question.value(chosen) == question.value(f" {chosen}\t") == chosen
    number = question.choices.index(chosen) + 1
    assume(str(number) not in question.choices)
    assert question.value(str(number)) == question.value(number) == chosen


@pytest.mark.parametrize(
    ("question", "answer", "value"),
    [
        (WEIGHT, "25,3", 25.3),
        (WEIGHT, " 25.3 g ", 25.3),
        (WEIGHT, 5, 5.0),
        (ARENA, "right", "Right"),
        (ARENA, "2", "Right"),
        (ARENA, "2 B", "2 b"),
        (READY, "Y", True),
        (READY, False, False),
        (READY, 0, False),
        (NOTES, "  ", None),
        (NOTES, 12, "12"),
        (Question("q", "q", "confirm", default=False), "", False),
        (Question("q", "q", "number", default="7,5"), None, 7.5),
        (Question("q", "q", "choice", choices=("a", " b "), default="B"), "", "b"),
        (Question("q", "q", default="  x "), "", "x"),
    ],
)
def test_what_people_type(question: Question, answer: object, value: Value) -> None:
    assert question.value(answer) == value


@pytest.mark.parametrize("answer", ["", None, "4.9", "60,1", "inf", "nan", "12 kg", True, [25], "9" * 5000])
def test_what_is_no_weight(answer: object) -> None:
    refused = _value(WEIGHT, answer)
    assert isinstance(refused, BadInput)
    assert "a number from 5 up to 60 (g)" in str(refused) and len(str(refused)) < 250


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"kind": "choice"}, "no choices"),
        ({"kind": "choice", "choices": ("a", " ")}, "a blank choice"),
        ({"kind": "choice", "choices": ("a",), "default": "b"}, "one of a"),
        ({"kind": "number", "minimum": 2, "maximum": 1}, "from 2 up to 1"),
        ({"kind": "number", "minimum": math.nan}, "range"),
        ({"kind": "number", "default": " "}, "a blank default"),
        ({"kind": "number", "maximum": 1, "default": 2}, "up to 1"),
        ({"kind": "wish"}, "'wish'"),
        ({"key": ""}, "the key ''"),
        ({"key": "a=b"}, "without ="),
    ],
)
def test_what_cannot_be_asked(change: dict[str, Any], names: str) -> None:
    with pytest.raises(BadInput, match=r"question") as refused:
        Question(**{"key": "q", "text": "q?"} | change)
    assert names in str(refused.value)


def test_expected_is_written_as_people_write_numbers() -> None:
    assert (
        Question("n", "n", "number", minimum=12345678, maximum=1e9).expected
        == "a number from 12345678 up to 1000000000"
    )


@pytest.mark.parametrize("question", [WEIGHT, ARENA, READY, NOTES], ids=lambda q: q.kind)
def test_an_integer_that_python_does_not_write_down(question: Question) -> None:
    refused = _value(question, 10**5000)
    assert isinstance(refused, BadInput) and refused.found
