"""The person at a real terminal, and at what is none."""

import json
import os
import subprocess
from typing import Any

import pytest

from support.pseudo_terminal import PseudoTerminal, asking

WEIGHT: dict[str, Any] = {
    "key": "weight", "text": "How heavy is the mouse?", "kind": "number", "minimum": 5, "maximum": 60, "unit": "g",
}  # fmt: skip
ARENA: dict[str, Any] = {"key": "arena", "text": "Which arena?", "kind": "choice", "choices": ["left", "right"]}
NOTES: dict[str, Any] = {"key": "notes", "text": "Notes?", "required": False}
FOR_EVER = None

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals and their driver are POSIX")


def test_a_conversation() -> None:
    """Wrong answers come back with the reason, what the terminal mends is mended, blank is the default."""
    asked = [(WEIGHT, FOR_EVER), (ARENA | {"default": "left"}, 60), (NOTES, FOR_EVER), (NOTES | {"key": "more"}, 60)]
    with PseudoTerminal(asking(asked, "auto")) as terminal:
        shown = terminal.expect("weight (a number from 5 up to 60 (g)): ")
        assert "Good morning." in shown and "How heavy is the mouse?" in shown
        terminal.type("a lot\n")
        assert "found 'a lot'; expected a number from 5 up to 60 (g)" in terminal.expect("(g)): ")
        terminal.type("\n")
        assert "found nothing" in terminal.expect("(g)): ")
        terminal.type("99\x7f\x7f25,3 g\n")
        shown = terminal.expect("arena (1 to 2; Enter for left): ")
        assert "1  left" in shown and "2  right" in shown and "(waits 60 s)" in shown
        terminal.type("\n")
        terminal.expect("notes (a text; Enter for none): ")
        terminal.type("naïve 脳\n")
        terminal.expect("more (a text; Enter for none): ")
        terminal.type("\n")
        found = terminal.end()
    assert found["operator"] == "terminal"
    assert found["results"] == [["weight", 25.3], ["arena", "left"], ["notes", "naïve 脳"], ["more", None]]


def test_time_that_is_over_ends_the_wait_and_what_came_too_late_answers_nothing() -> None:
    """A word half typed, a blank line, and a line nobody asked for are no answers to the next question."""
    late = ARENA | {"default": "left"}
    with PseudoTerminal(asking([(WEIGHT, 0.3), (WEIGHT | {"default": 20}, 0), (late, FOR_EVER)])) as terminal:
        terminal.type("30\n")  # before the question stands there
        terminal.expect("weight (")
        terminal.type("30")
        if "30" not in terminal.expect("arena ("):  # this process stood still: it was typed for the next question
            terminal.type("\x15")  # take it back
        terminal.type("right\n")
        found = terminal.end()["results"]
    assert "no answer within 0.3 s" in found[0][1]["error"] and "--set weight=VALUE" in found[0][1]["error"]
    assert "no answer within 0 s" in found[1][1]["error"], "a default is for a person who accepts it"
    assert found[2] == ["arena", "right"]


def test_control_c_and_control_d() -> None:
    """Ctrl+C ends what asked; the end of input is no answer, and not for ever."""
    with PseudoTerminal(asking([(WEIGHT, FOR_EVER), (NOTES, FOR_EVER), (ARENA, 60)], "own")) as terminal:
        terminal.expect("weight (")
        terminal.type("25\x03")
        terminal.expect("notes (")
        terminal.type("\x04")
        terminal.expect("arena (")
        terminal.type("2\n")
        found = terminal.end()["results"]
    assert found[0] == ["weight", "interrupted"]
    assert "the end of standard input" in found[1][1]["error"], "also where no answer is needed: nobody said so"
    assert found[2] == ["arena", "right"]


def test_threads_take_turns() -> None:
    asked = [(NOTES | {"key": f"note{number}"}, FOR_EVER) for number in range(3)]
    with PseudoTerminal(asking(asked, "threads")) as terminal:
        answers = {}
        for _ in range(3):
            terminal.expect("Notes?")
            key = terminal.expect(" (a text").split()[0]
            terminal.expect(": ")
            answers[key] = f"to {key}"
            terminal.type(f"to {key}\n")
        assert dict(terminal.end()["results"]) == answers == {f"note{n}": f"to note{n}" for n in range(3)}


def _without_terminal(asked: list[Any], *more: str, **options: Any) -> list[list[Any]]:
    done = subprocess.run(asking(asked, *more), capture_output=True, timeout=100, check=True, **options)
    results: list[list[Any]] = json.loads(done.stdout)["results"]
    return results


def test_lines_from_a_pipe() -> None:
    """They are taken in order, none is dropped, the last needs no end, and then there are none."""
    asked = [(WEIGHT, 60), (NOTES, FOR_EVER), (ARENA, FOR_EVER), (NOTES, 60), (ARENA | {"default": "left"}, FOR_EVER)]
    found = _without_terminal(asked, input=b"heavy\r\n25.3\r\nna\xefve\n\xe8\nright\nlast")
    assert [value for _, value in found[:2]] == [25.3, "na\ufffdve"]
    assert [value for _, value in found[2:4]] == ["right", "last"]
    assert "the end of standard input" in found[4][1]["error"], "no silent default: auto or headless is the way"


def test_a_pipe_that_says_nothing() -> None:
    ours, theirs = os.pipe()
    try:
        found = _without_terminal([(WEIGHT, 0.2), (WEIGHT, 0)], stdin=ours)
    finally:
        os.close(ours)
        os.close(theirs)
    assert ["no answer within 0.2 s" in found[0][1]["error"], "no answer within 0 s" in found[1][1]["error"]] == [
        True
    ] * 2


def test_standard_input_is_closed() -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *asking([(WEIGHT, FOR_EVER)])]
    done = subprocess.run(command, capture_output=True, timeout=100, check=True)
    assert "standard input closed" in json.loads(done.stdout)["results"][0][1]["error"]


def test_standard_error_is_closed() -> None:
    """Nobody sees the question; what comes is an answer all the same."""
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *asking([(WEIGHT, FOR_EVER)])]
    done = subprocess.run(command, stdout=subprocess.PIPE, input=b"25\n", timeout=100, check=True)
    assert json.loads(done.stdout)["results"] == [["weight", 25.0]]


def test_auto_without_a_terminal_is_headless() -> None:
    found = _without_terminal([(WEIGHT, FOR_EVER), (NOTES, FOR_EVER)], "auto", stdin=subprocess.DEVNULL)
    assert "nobody to ask" in found[0][1]["error"] and found[1] == ["notes", None]
