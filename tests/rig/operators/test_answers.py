"""Nobody there, answers given beforehand, and which operator it is."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.operator import NoAnswer, Operator, Question
from opticstream.rig.operators import (
    FileOperator,
    HeadlessOperator,
    PreparedOperator,
    TerminalOperator,
    make_operator,
)

WEIGHT = Question("weight", "How heavy is the mouse?", "number", minimum=5, maximum=60, unit="g")
ARENA = Question("arena", "Which arena?", "choice", choices=("left", "right"), default="left")
NOTES = Question("notes", "Notes?", required=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers.json"


def test_nobody_is_there(caplog: pytest.LogCaptureFixture) -> None:
    operator = HeadlessOperator()
    with caplog.at_level(logging.INFO, "opticstream.rig.operator"):
        assert operator.ask(ARENA) == "left" and operator.ask(NOTES, 1) is None
        operator.tell("Good night.")
    with pytest.raises(NoAnswer, match=r"^weight: found nobody to ask; expected a number .*--set weight=VALUE"):
        operator.ask(WEIGHT, 1)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3 and said[0].startswith("arena: 'left'") and said[2] == "Good night."


def test_a_file_answers(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"weight": ["25,3", 26], "arena": 2, "wieght": 3}).encode())
    operator = FileOperator(file)
    with caplog.at_level(logging.INFO, "opticstream.rig.operator"):
        assert operator.ask(WEIGHT) == 25.3
    assert "weight: 25.3" in caplog.text and str(file) in caplog.text
    assert operator.unused() == ("arena", "wieght")
    assert [operator.ask(ARENA), operator.ask(ARENA), operator.ask(WEIGHT)] == ["right", "right", 26.0]
    with pytest.raises(NoAnswer, match=r"every value of .*answers\.json used already, and nobody to ask"):
        operator.ask(WEIGHT)
    assert operator.ask(NOTES) is None, "what a file does not say is as if nobody were there"
    assert operator.unused() == ("wieght",) and operator.name == str(file)


def test_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text("weight = 25.3\nborn = 2026-01-02\nready = true\narena = ['right', '']\n")
    operator = FileOperator(path)
    assert operator.ask(WEIGHT) == 25.3
    assert operator.ask(Question("born", "When?")) == "2026-01-02"
    assert operator.ask(Question("ready", "Ready?", "confirm")) is True
    assert [operator.ask(ARENA) for _ in range(3)] == ["right", "left", "left"]
    assert operator.unused() == ()


def test_a_wrong_value_is_not_asked_again(file: Path) -> None:
    """Nobody would change it; the error names file, key and what would do."""
    file.write_text('{"weight": 4, "notes": {"a": 1}, "arena": null}')
    operator = FileOperator(file)
    with pytest.raises(BadInput, match=r"answers\.json: weight: found 4; expected a number from 5 up to 60 \(g\)"):
        operator.ask(WEIGHT)
    with pytest.raises(BadInput, match="notes"):
        operator.ask(NOTES)
    assert operator.ask(ARENA) == "left"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", '{"a": 1,}', "line 1"),
        ("a.json", "[1]", "JSON list"),
        ("a.json", '{"a": 1, "a": 2}', "more than once"),
        ("a.toml", "a = 1\nb = x\n", "line 2"),
        ("a.toml", "a = 'x\xe9'", "byte 0xe9"),
        ("a.TOML", "a = " + "1" * 5000, "4300"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadFile) as refused:
        make_operator(str(path))
    assert str(path) in str(refused.value) and says in str(refused.value)


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.none(), st.text(), st.integers(), st.lists(st.floats()))))
def test_any_answers(answers: dict[str, Any]) -> None:
    operator = PreparedOperator(answers, HeadlessOperator())
    for key in answers:
        if key == key.strip() and "=" not in key:
            operator.ask(Question(key, "?", required=False))
    assert set(operator.unused()) == {key for key in answers if key != key.strip() or "=" in key}


def test_threads_share_a_list_of_answers() -> None:
    operator = PreparedOperator({"n": list(range(100))}, HeadlessOperator())
    found: list[object] = []
    question = Question("n", "n?", "number")

    def ask() -> None:
        found.extend(operator.ask(question) for _ in range(25))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(float, found)) == list(range(100))  # type: ignore[arg-type]


def test_which_operator_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('{"weight": 20, "notes": "of the file"}')
    made: dict[str, Operator] = {how: make_operator(how) for how in ("headless", "terminal", "auto", str(file))}
    kinds = {how: type(operator) for how, operator in made.items()}
    assert kinds == {
        "headless": HeadlessOperator,
        "terminal": TerminalOperator,
        "auto": HeadlessOperator,  # under a test nobody is at the terminal
        str(file): FileOperator,
    }
    assert all(isinstance(operator, Operator) for operator in made.values())
    first = make_operator(str(file), answers={"notes": "given", "other": 1})
    assert [first.ask(NOTES), first.ask(WEIGHT)] == ["given", 20.0] and first.name == str(file)
    monkeypatch.setattr("sys.stdin", None)
    assert isinstance(make_operator("auto"), HeadlessOperator), "as under a Windows service"


@pytest.mark.parametrize("how", ["", "headles", "no/such/file.json", os.curdir])
def test_no_such_operator(how: str) -> None:
    with pytest.raises(BadInput, match=r"--operator: found .*; expected auto, terminal, headless"):
        make_operator(how)


def test_prefect_needs_a_flow_run() -> None:
    with pytest.raises(BadInput, match="flow run"):
        make_operator("prefect")
