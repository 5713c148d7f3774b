"""``opticstream launch serve``: sessions launched from the API and from the run form, asked, cancelled, ended."""

import csv
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from support.api import answer_of
from support.browser import chromium_page
from support.command import run_command
from support.launch_site import AWAITED_S, LAST, WAITS, LaunchSite, awaited
from support.prefect_pages import open_page, press, resume_form

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


class Served:
    """A rig whose sessions the API can start."""

    def __init__(self, rig: LaunchSite, process: "subprocess.Popen[str]", name: str) -> None:
        self.rig, self.process = rig, process
        self.id = rig.get(f"deployments/name/launch/{name}")["id"]

    def launch(self, **parameters: Any) -> str:
        """Create a run as the UI does; return its id."""
        run: dict[str, Any] = self.rig.post(f"deployments/{self.id}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    def ended(self, run_id: str) -> dict[str, Any]:
        """Wait for a run's final state."""
        return awaited(lambda: (run := self.rig.run(run_id))["state_type"] in FINAL and run, "the final state")

    def asked(self, run_id: str) -> dict[str, Any]:
        """Wait until a run asks."""
        return awaited(lambda: (run := self.rig.run(run_id))["state_type"] == "PAUSED" and run, "a question")

    def folder(self) -> Path:
        """Return the folder of the newest session."""
        found: Path = max((self.rig.folder / "sessions").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return found


def serve(rig: LaunchSite) -> Served:
    name = f"rig-{uuid.uuid4()}"  # two that serve the same deployment share its runs
    said = rig.said().count("Serving sessions") if (rig.folder / "stderr.txt").exists() else 0
    process = rig.start("launch", "serve", "--name", name)
    awaited(lambda: rig.said().count("Serving sessions") > said, "the served deployment")
    return Served(rig, process, name)


@pytest.fixture(scope="module")
def served(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a rig that serves on the session's server."""
    with LaunchSite(tmp_path_factory.mktemp("served"), server) as rig:
        yield serve(rig)


@pytest.fixture
def weighed(served: Served) -> dict[str, Any]:
    """Return parameters as the run form sends them, of a session that asks for a weight."""
    path = served.rig.params("print('hello')", pre_acquisition_pipeline=["mouse_weight_pre_prompt"])
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def _weights(folder: Path) -> list[str]:
    with (folder / "mouse_weight.csv").open(newline="") as file:
        return [row["weight_g"] for row in csv.DictReader(file)]


def test_the_forms_parameters_and_a_question_answered_by_command(served: Served, weighed: dict[str, Any]) -> None:
    run_id = served.launch(parameters=weighed)
    run = served.asked(run_id)
    assert run["name"] == "mouse7"
    run_command(served.rig.environment, "answer", run_id, "mouse_weight_pre_g=23.5")
    assert served.ended(run_id)["state_type"] == "COMPLETED"
    assert _weights(served.folder()) == ["23.5"]
    steps = [step["name"] for step in served.rig.task_runs(run_id, 3)]
    assert steps == ["session folder", "mouse_weight_pre_prompt", "acquisition"]


def test_the_defaults_that_the_form_sends_are_as_if_not_given(served: Served) -> None:
    """Above all ``launcher: base``: the session has a script, and runs it."""
    values = json.loads(served.rig.params("print('hello')").read_text())
    del values["launcher"]
    form = {"launcher": "base", "pre_acquisition_pipeline": [], "protocol_id": None}
    run_id = served.launch(parameters=values | form)
    assert served.ended(run_id)["state_type"] == "COMPLETED"
    step = served.rig.task_runs(run_id, 2)[1]
    assert "hello" in awaited(lambda: served.rig.logs(task_run_id=step["id"]), "the log")


def test_a_parameter_file_with_overrides(served: Served) -> None:
    params = served.rig.params("print('hello')")
    run_id = served.launch(param_file=str(params), overrides={"subject_id": "mouse8"})
    run = served.ended(run_id)
    assert run["state_type"] == "COMPLETED" and run["name"] == "mouse8"
    assert run["state"]["message"].startswith("mouse8_")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (lambda params, values: {}, "neither parameters nor param_file"),
        (lambda params, values: {"param_file": params, "parameters": values}, "both parameters and param_file"),
        (lambda params, values: {"param_file": params + ".not"}, "params.json.not"),
    ],
    ids=["neither", "both", "no such file"],
)
def test_what_cannot_be_launched_says_so(
    served: Served, weighed: dict[str, Any], given: Callable[[str, dict[str, Any]], dict[str, Any]], found: str
) -> None:
    run = served.ended(served.launch(**given(str(served.rig.params("print('hello')")), weighed)))
    assert run["state_type"] == "FAILED" and found in run["state"]["message"], run["state"]["message"]


def test_the_api_refuses_a_wrong_value_before_there_is_a_run(served: Served, weighed: dict[str, Any]) -> None:
    body = {"parameters": {"parameters": weighed | {"resource_log_interval": "often"}}}
    answer = answer_of(served.rig.url, f"deployments/{served.id}/create_flow_run", body)
    assert answer.status_code == httpx.codes.CONFLICT and "'often'" in answer.text


def _tree_of_acquisition(rig: LaunchSite) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if str(rig.go) in (each.info["cmdline"] or [])]


def _with_last_words(rig: LaunchSite) -> Path:
    (rig.folder / "go").unlink(missing_ok=True)
    last = {"module_type": "script_module", "module_path": str(rig.checkout(last=LAST) / "last.py"), "run": "always"}
    return rig.params(WAITS, post_acquisition_pipeline=[last])


def _interrupted(rig: LaunchSite, folder: Path) -> None:
    """Check that nothing of a session is left, and that what always runs has run."""
    path = folder / "launcher_metadata" / "end_state.json"
    awaited((folder / "last_words.txt").exists, "what always runs")
    assert not _tree_of_acquisition(rig) and path.exists()  # once before the modules, and again after them
    awaited(lambda: [module["name"] for module in json.loads(path.read_text())["modules"]] == ["last"], "its end")
    assert json.loads(path.read_text())["outcome"] == "interrupted"


def test_cancelled_in_the_ui_while_it_acquires(served: Served) -> None:
    rig = served.rig
    run_id = served.launch(param_file=str(_with_last_words(rig)))
    rig.acquiring()
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    rig.post(f"flow_runs/{run_id}/set_state", state)
    assert served.ended(run_id)["state_type"] == "CANCELLED"
    _interrupted(rig, served.folder())
    awaited(lambda: rig.session(served.folder().name).status == "interrupted", "the row's status")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_while_a_session_runs(server: str, tmp_path: Path, number: signal.Signals) -> None:
    with LaunchSite(tmp_path, server) as rig:
        served = serve(rig)
        run_id = served.launch(param_file=str(_with_last_words(rig)))
        rig.acquiring()
        os.kill(served.process.pid, number)
        served.process.communicate(timeout=AWAITED_S)
        assert served.process.returncode == 0, rig.said()[-4000:]
        assert served.ended(run_id)["state_type"] == "CANCELLED"
        _interrupted(rig, served.folder())


@pytest.mark.slow
def test_from_the_run_form_to_the_answered_prompt(served: Served) -> None:
    """The form shows each parameter with its description; the prompt is answered on the run's page."""
    rig = served.rig
    ui = rig.url.removesuffix("/api")
    before = {run["id"] for run in rig.runs()}
    params = rig.params("print('hello')", pre_acquisition_pipeline=["mouse_weight_pre_prompt"])
    with chromium_page(height=1400) as page:
        titled = page.get_by_text("LaunchParameters", exact=True)
        open_page(page, f"{ui}/deployments/deployment/{served.id}/run", titled)
        titled.click()
        described = page.get_by_text("Animal or experiment subject. Asked for when empty.")
        described.wait_for()
        page.get_by_text("None", exact=True).first.click()
        described.wait_for(state="hidden")
        page.get_by_text("path", exact=True).first.click()
        page.get_by_role("textbox").nth(1).fill(str(params))
        assert page.get_by_role("textbox").nth(1).input_value() == str(params)

        press(page, page.get_by_role("button", name="Submit"), "/create_flow_run")
        made_id = awaited(lambda: [run["id"] for run in rig.runs() if run["id"] not in before], "the run")[0]
        served.asked(made_id)
        form = resume_form(page, ui, made_id, lambda form: form.get_by_role("textbox"))
        form.get_by_role("textbox").fill("24,1 g")
        press(page, form.get_by_role("button", name="Submit"), "/resume")
        assert served.ended(made_id)["state_type"] == "COMPLETED"
        open_page(
            page, f"{ui}/runs/flow-run/{made_id}", page.get_by_text("mouse_weight_pre_g: 24.1 (answered in Prefect)")
        )
    assert _weights(served.folder()) == ["24.1"]
