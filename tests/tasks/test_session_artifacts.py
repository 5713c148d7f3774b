"""What a session shows in the Prefect UI."""

import base64
from pathlib import Path

from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.session_outcome import SessionOutcome
from opticstream.tasks.session_artifacts import session_artifacts


def test_of_rigs_that_share_a_folder_each_shows_its_own_resources(tmp_path: Path) -> None:
    pictures = {"launcher_metadata": b"of the stage", "launcher_metadata_imaging": b"of imaging"}
    for name, picture in pictures.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "resource_usage.png").write_bytes(picture)
    for name, picture in pictures.items():
        report = SessionReport(SessionOutcome.COMPLETED, "", "m1", tmp_path, metadata_folder=tmp_path / name)
        summary = next(one["data"] for one in session_artifacts(report, {}) if one["type"] == "markdown")
        shown = [other for other in pictures.values() if base64.b64encode(other).decode() in summary]
        assert shown == [picture]
