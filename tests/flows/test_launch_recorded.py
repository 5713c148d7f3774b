"""``opticstream launch`` on a real Prefect API: what of a session is seen there."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.launch_site import LAST, WAITS, LaunchSite, awaited, interrupt
from support.recorded_site import RecordedSite

pytestmark = pytest.mark.timeout(600)
PREFIX = "opticstream.session."


@pytest.fixture
def rig(server: str, tmp_path: Path) -> Iterator[LaunchSite]:
    """Return a rig on the session's server."""
    with RecordedSite(tmp_path, server) as made:
        yield made


def test_a_session_is_a_flow_run_and_each_step_a_task_run(rig: LaunchSite) -> None:
    params = rig.params(
        "import sys\nprint('to the left')\nprint('to the right', file=sys.stderr)",
        pre_acquisition_pipeline=["disk_space_check"],
        post_acquisition_pipeline=["session_creator"],
        required_free_gb=0.01,
    )
    told = rig.end(rig.launch(params))
    assert told["outcome"] == "completed" and told["recorded"] is True
    name = told["session_name"]
    row = rig.session(name)
    run = rig.run(row.flow_run_id)
    assert run["state_type"] == "COMPLETED" and run["state"]["message"] == f"{name}: completed"
    assert run["name"] == "params" and run["parameters"]["param_file"] == str(params)

    steps = rig.task_runs(row.flow_run_id, 4)
    assert [step["name"] for step in steps] == ["session folder", "disk_space_check", "acquisition", "session_creator"]
    assert {step["state_type"] for step in steps} == {"COMPLETED"}
    said = {"to the left", "to the right"}
    awaited(lambda: said <= set(rig.logs(task_run_id=steps[2]["id"])), "the acquisition's log")
    free = lambda line: "GiB free" in line or "disk" in line  # noqa: E731
    awaited(lambda: any(map(free, rig.logs(flow_run_id=row.flow_run_id))), "the disk's log")
    awaited(lambda: any(name in line for line in rig.logs(task_run_id=steps[0]["id"])), "the folder's log")

    artifacts = {each["type"]: each for each in rig.artifacts(row.flow_run_id)}
    summaries = [each for each in rig.artifacts(row.flow_run_id) if each["description"] == f"{name}: completed"]
    assert len(summaries) == 1
    summary = summaries[0]["data"]
    for part in ("ana", "mouse7", "| pre-acquisition | disk\\_space\\_check | completed", "data:image/png;base64,"):
        assert part in summary, part
    folder = Path(told["session_folder"])
    assert any(folder.as_uri() in str(each["data"]) for each in rig.artifacts(row.flow_run_id)), artifacts
    wanted = [f"{PREFIX}{each}" for each in ("started", "acquiring", "finished")]
    found = awaited(lambda: (seen := rig.events(name)) and len(seen) >= 3 and seen, "the events")
    assert sorted(found) == sorted(wanted)


def test_a_failed_session_says_why_on_its_runs_page(rig: LaunchSite) -> None:
    told = rig.end(rig.launch(rig.params("import sys; sys.exit('out of water')")), expect=1)
    row = rig.session(told["session_name"])
    run = rig.run(row.flow_run_id)
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"].startswith(f"{row.name}: failed: ") and row.reason in run["state"]["message"]
    steps = rig.task_runs(row.flow_run_id, 2)
    assert [(step["name"], step["state_type"]) for step in steps] == [
        ("session folder", "COMPLETED"),
        ("acquisition", "FAILED"),
    ]
    awaited(lambda: "out of water" in rig.logs(task_run_id=steps[1]["id"]), "the log")
    wanted = {f"{PREFIX}{each}" for each in ("started", "acquiring", "failed")}
    found = awaited(lambda: (seen := rig.events(row.name)) and len(seen) >= 3 and seen, "the events")
    assert set(found) == wanted and len(found) == 3


def test_ctrl_c_cancels_the_run(rig: LaunchSite) -> None:
    """And what always runs has run."""
    last = {"module_type": "script_module", "module_path": str(rig.checkout(last=LAST) / "last.py"), "run": "always"}
    process = rig.launch(rig.params(WAITS, post_acquisition_pipeline=[last]))
    rig.acquiring()
    interrupt(process)
    told = rig.end(process, expect=130)
    folder = Path(told["session_folder"])
    assert (folder / "last_words.txt").read_text() == "always", told
    assert json.loads((folder / "launcher_metadata" / "end_state.json").read_text())["outcome"] == "interrupted"
    row = rig.session(told["session_name"])
    run = rig.run(row.flow_run_id)
    assert run["state_type"] == "CANCELLED" and "Ctrl+C" in run["state"]["message"]
    steps = rig.task_runs(row.flow_run_id, 3)
    assert [step["name"] for step in steps] == ["session folder", "acquisition", "last"]


SLEEPS = """
import pathlib, time

def run(context):
    pathlib.Path(GO + ".began").touch()
    time.sleep(300)
"""


@pytest.mark.parametrize("where", ["acquisition", "module"])
def test_cancelled_in_prefect_the_session_ends(rig: LaunchSite, where: str) -> None:
    """The launch was typed at a terminal; the run's page has a button for it as for any other run."""
    checkout = rig.checkout(last=LAST, sleeps=SLEEPS.replace("GO", repr(str(rig.go))))
    last, sleeps = (
        {"module_type": "script_module", "module_path": str(checkout / f"{n}.py")} for n in ("last", "sleeps")
    )
    before = [sleeps] if where == "module" else []
    params = rig.params(
        WAITS, pre_acquisition_pipeline=before, post_acquisition_pipeline=[last | {"run": "always"}], subject_id=where
    )
    process = rig.launch(params)
    rig.acquiring()
    (run,) = [each for each in rig.runs() if each["state_type"] == "RUNNING"]
    rig.post(f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
    told = rig.end(process, expect=130)
    assert told["outcome"] == "interrupted" and told["reason"] == "a cancellation in Prefect"
    assert (Path(told["session_folder"]) / "last_words.txt").read_text() == "always"
    final = rig.run(run["id"])
    assert final["state_type"] == "CANCELLED" and final["state"]["message"].endswith("by a cancellation in Prefect")


MANY = """
import os
line = b"frame \\xff\\xfe of the camera\\n"
for _ in range(1000):
    os.write(1, line * 100)
print("all written", flush=True)
"""


def test_an_acquisition_that_says_a_lot(rig: LaunchSite) -> None:
    """All of it is in the session's file; Prefect gets a readable part, and what is no UTF-8 in a readable form."""
    began = time.monotonic()
    told = rig.end(rig.launch(rig.params(MANY)))
    most = 1001 + 50 * (time.monotonic() - began)
    assert told["outcome"] == "completed"
    row = rig.session(told["session_name"])
    step = rig.task_runs(row.flow_run_id, 2)[1]
    lines = awaited(lambda: rig.logs(task_run_id=step["id"]), "the log")
    shown = [line for line in lines if line.startswith("frame ")]
    assert 1 <= len(shown) <= max(3000, most), "at first 1,000, then 50 a second"
    assert set(shown) == {"frame \ufffd\ufffd of the camera"}
    # The page's own limit leaves lines out; where the console is slow, most do not even come so far.
    words = ("lines of the acquisition are not shown here", "lines were not shown")
    said = lambda: any(word in line for line in rig.logs(flow_run_id=row.flow_run_id) for word in words)  # noqa: E731
    awaited(said, "word that not all is shown")
    log = Path(told["session_folder"]) / "launcher_metadata" / "acquisition_stdout.log"
    assert log.read_bytes().count(b"\n") == 100_001
