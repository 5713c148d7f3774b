"""A live microscope as a session on a real Prefect API: the run, its event, its picture, its file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from opticstream.core.scope_events import SCOPE_RECORDED
from opticstream.scope.files import read_tracking_file
from support.launch_site import LaunchSite, awaited
from support.recorded_site import RecordedSite

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def rig(server: str, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[LaunchSite]:
    """Return a rig on the session's server, with the kernels that all tests share."""
    with RecordedSite(tmp_path, server) as made:
        made.environment["OPTICSTREAM_SCOPE_GRACE_S"] = "60"
        made.environment["OPTICSTREAM_KERNEL_CACHE"] = str(pytestconfig.cache.mkdir("kernels"))
        yield made


def test_a_scope_is_a_session_with_its_event_and_its_picture(rig: LaunchSite) -> None:
    script = rig.folder / "script.py"
    script.write_text(
        "from opticstream.scope.scripting import wait_until\n\n\n"
        "def main(scope):\n    yield wait_until(lambda live: len(live.tracks(0, 30)) == 30, timeout=120)\n"
    )
    settings = {"video buffer n images": 10}  # by default a stack takes seconds
    params = rig.params("", launcher="scope", script_path=str(script), script_arguments=None, scope_settings=settings)
    told = rig.end(rig.launch(params), timeout_s=600)
    name, folder = told["session_name"], Path(told["session_folder"])
    row = rig.session(name)
    assert rig.run(row.flow_run_id)["state"]["message"] == f"{name}: completed"

    (tracks,) = (folder / "scope").glob("Tracking Data *.h5")
    recording = read_tracking_file(tracks)
    assert recording.closed and len(recording.frame_numbers) > 20
    assert recording.attributes["flow_run_id"] == row.flow_run_id

    (summary,) = [each for each in rig.artifacts(row.flow_run_id) if each["description"] == f"{name}: completed"]
    assert str(tracks) in summary["data"] and "![beads](data:image/png;base64," in summary["data"]

    body = {"filter": {"resource": {"id": [f"opticstream.scope.{name}"]}}, "limit": 10}
    (event,) = awaited(lambda: rig.post("events/filter", body)["events"], "the scope's event")
    assert event["event"] == SCOPE_RECORDED
    assert event["payload"]["files"] == [str(tracks)] and event["payload"]["succeeded"] is True
    assert event["payload"]["frames_tracked"] > 20 and event["payload"]["beads"] == 8


def test_a_script_that_fails_fails_the_session(rig: LaunchSite) -> None:
    script = rig.folder / "script.py"
    script.write_text("def main(scope):\n    yield from ()\n    raise RuntimeError('the laser is off')\n")
    params = rig.params("", launcher="scope", script_path=str(script), script_arguments=None)
    told = rig.end(rig.launch(params), expect=1, timeout_s=600)
    assert told["outcome"] == "failed"
    said = Path(told["session_folder"], "launcher_metadata", "acquisition_stderr.log").read_text()
    assert "the laser is off" in said and "script.py" in said
