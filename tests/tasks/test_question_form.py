"""A question as a form: what is read back is what was asked."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.core.operator import Question
from opticstream.tasks.question_form import WITHDRAWN, QuestionForm

_KEYS = st.text(min_size=1).filter(lambda key: key == key.strip() and "=" not in key)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_QUESTIONS = st.one_of(
    st.builds(Question, _KEYS, st.text(), default=st.none() | st.text(), required=st.booleans()),
    st.builds(Question, _KEYS, st.text(), st.just("number"), default=st.none() | _NUMBERS, unit=st.text()),
    st.builds(Question, _KEYS, st.text(), st.just("confirm"), default=st.none() | st.booleans()),
    st.builds(
        Question, _KEYS, st.text(), st.just("choice"), st.lists(st.text().filter(str.strip), min_size=1).map(tuple)
    ),
)
_FORMS = st.builds(QuestionForm, _QUESTIONS, st.text(), st.none() | st.datetimes(timezones=st.just(UTC)))


@given(_FORMS)
def test_a_form_is_read_back_from_its_schema(form: QuestionForm) -> None:
    schema = json.loads(json.dumps(form.schema()))
    assert QuestionForm.of_schema(schema) == form
    field = schema["properties"][form.question.key]
    assert field["type"] == "string" and "required" not in schema
    if form.choices:
        assert field.get("default", field["enum"][0]) in field["enum"] == list(form.choices)
    if form.question.default is not None:
        assert form.read({form.question.key: field["default"]}) == form.question.default


def test_the_words_above_the_form() -> None:
    question = Question("q", "Is *this*\n<b>it</b>?", "confirm", default=True)
    form = QuestionForm(question, "found 'a_b'", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert form.description() == (
        "**Not taken:** found 'a\\_b'\n\nIs \\*this\\*  \n\\<b\\>it\\</b\\>?\n\nWithdrawn at 2026-01-02 03:04:05 UTC."
    )
    assert form.hint == "yes or no; blank means yes"
    assert QuestionForm(Question("notes", "?", required=False)).hint == "a text; may be left blank"


def test_what_is_no_answer_to_it() -> None:
    form = QuestionForm(Question("weight", "?", "number"))
    assert form.read({"weight": "2,5"}) == 2.5
    for given_ in ({}, {"weight": None}, {"weight": "x"}, {"Weight": "2"}, {"weight": "2", WITHDRAWN: "expired"}):
        with pytest.raises(BadInput, match="weight"):
            form.read(given_)


@pytest.mark.parametrize(
    "schema", [None, [], {}, {"x-opticstream": 1}, {"x-opticstream": {"key": "q"}}, {"properties": {"a": {}}}]
)
def test_a_form_of_somebody_else(schema: object) -> None:
    assert QuestionForm.of_schema(schema) is None
