"""``opticstream answer`` and the run's page, against a real server and a session in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from support.asked_run import AskedRun, SeenRun
from support.browser import chromium_page
from support.command import command_environment, command_line, run_command, run_in_turn
from support.prefect_pages import press, resume_form
from support.pseudo_terminal import PseudoTerminal
from support.waiting import PATIENCE_S

_FLOW = Path(__file__).parents[1] / "support" / "asking_flow.py"


class Session:
    """A process whose flow asks one question after the other."""

    def __init__(self, url: str, home: Path, *keys: str) -> None:
        environment = command_environment(home, url)
        command = [sys.executable, str(_FLOW), "600", *keys]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def next(self) -> Any:
        """Return what the next question gave."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def environment(prefect_api: str, home: Path) -> dict[str, str]:
    return command_environment(home, prefect_api)


def test_a_session_is_answered_from_another_terminal(
    prefect_api: str, environment: dict[str, str], home: Path, tmp_path: Path
) -> None:
    with Session(prefect_api, home, "mouse_weight", "ready", "notes") as session, AskedRun(prefect_api) as idle:
        idle.result()
        seen = SeenRun.of_flow(prefect_api, "telling")
        seen.paused("mouse_weight")
        calls = [
            ["answer", "--list"],
            ["answer", seen.name[:6], "--json"],
            ["answer", "mouse_weight=a lot"],
            ["answer", str(seen.id)[:8]],
            ["answer", seen.name, "weight=25"],
            ["answer", "no-such-run", "mouse_weight=25"],
            ["answer", idle.name, "mouse_weight=25"],
            ["answer", "mouse_weight"],
            ["answer", seen.name, "25"],
            ["answer", seen.name, "mouse_weight=25,3 g", "--json"],
        ]
        listed, shown, wrong, again, key, nobody, over, word, bare, right = run_in_turn(environment, calls, tmp_path)
        assert session.next() == 25.3
        assert listed.code == 0 and "mouse_weight" in listed.stdout
        facts = json.loads(shown.stdout)
        assert facts["run"] == seen.name and facts["expected"] == "a number from 5 up to 60 (g)"
        assert wrong.code == 1 and "not taken: mouse_weight: found 'a lot'" in wrong.stderr
        assert again.code == 0 and "not taken: mouse_weight: found 'a lot'" in again.stdout
        assert key.code == 2 and "found a value for weight; expected mouse_weight=" in key.stderr
        assert nobody.code == 2 and "no such run" in nobody.stderr
        assert over.code == 2 and "found Completed; expected a run that waits" in over.stderr
        assert word.code == 2 and bare.code == 2 and "expected KEY=VALUE" in bare.stderr
        assert json.loads(right.stdout) == {
            "run": seen.name,
            "id": str(seen.id),
            "key": "mouse_weight",
            "taken": True,
            "reason": "",
        }
        seen.paused("ready")
        os.kill(session.process.pid, signal.SIGINT)  # as Ctrl+C at the session's own terminal
        assert session.next() == "KeyboardInterrupt"
        assert seen.answer(seen.paused("notes"), "") == ""
        assert session.next() is None and session.process.wait(PATIENCE_S) == 0
        assert seen.row()["state_type"] == "COMPLETED"


def test_it_asks_at_a_terminal(prefect_api: str, environment: dict[str, str]) -> None:
    with AskedRun(prefect_api, "arena") as asked:
        run = asked.paused()
        with PseudoTerminal(command_line("answer", run.name), environment) as terminal:
            shown = terminal.expect("arena (1 to 2; Enter for right one): ")
            assert "Which arena?" in shown
            terminal.type("middle\n")
            terminal.expect("expected one of left, right one")
            terminal.type("1\n")
            assert terminal.process.wait(PATIENCE_S) == 0
        assert asked.result() == ["left"]


def test_several_runs_wait(prefect_api: str, environment: dict[str, str], tmp_path: Path) -> None:
    with AskedRun(prefect_api, "arena") as one, AskedRun(prefect_api, "ready") as two:
        names = [one.paused().name, two.paused().name]
        calls = [
            ["answer", "--json"],
            ["answer", "arena=1"],
            ["answer", "asked", "arena=1"],
            ["answer", names[0], "arena=x"],
        ]
        listed, which, prefix, choice = run_in_turn(environment, calls, tmp_path)
        assert {run["run"] for run in json.loads(listed.stdout)["runs"]} >= set(names)
        assert which.code == 2 and all(name in which.stderr for name in names)
        assert prefix.code == 2 and "2 runs that wait" in prefix.stderr
        assert choice.code == 1 and "expected one of left, right one" in choice.stderr
        assert one.answer(one.paused(), "left") == two.answer(two.paused(), "n") == ""
        assert [one.result(), two.result()] == [["left"], [False]]


def test_a_server_that_is_not_there(home: Path) -> None:
    nowhere = command_environment(home, "http://127.0.0.1:9/api")
    assert "found no answer" in run_command(nowhere, "answer", expect=1).stderr
    assert "PREFECT_API_URL" in run_command(command_environment(home), "answer", "a=1", expect=1).stderr


@pytest.fixture
def page(prefect_api: str) -> Iterator[Any]:
    with chromium_page() as opened:
        yield opened


def test_the_runs_page_answers(prefect_api: str, page: Any) -> None:
    """In both UIs: a wrong answer comes back with its reason; a choice stands at its default, which is sent as it is."""
    ui = prefect_api.removesuffix("/api")
    with AskedRun(prefect_api, "mouse_weight", "arena") as asked:
        run = asked.paused()
        form = resume_form(page, ui, run.id, lambda form: form.get_by_text("How heavy is the mouse?"))
        form.get_by_role("textbox").fill("heavy")
        press(page, form.get_by_role("button", name="Submit"), "/resume")
        asked.paused(reason="heavy")
        form = resume_form(page, f"{ui}/v2", run.id, lambda form: form.get_by_text("found 'heavy'"))
        form.get_by_role("textbox").fill("25.3")
        press(page, form.get_by_role("button", name="Resume"), "/resume")
        asked.paused("arena")
        form = resume_form(page, ui, run.id, lambda form: form.get_by_text("blank means right one"))
        press(page, form.get_by_role("button", name="Submit"), "/resume")
        assert asked.result() == [25.3, "right one"]
