"""A live microscope as an acquisition: its command line, and what is read of what it left."""

import itertools
import json
import sys
from pathlib import Path

from opticstream.rig.parameters import LaunchParameters, inferred_launcher
from opticstream.rig.scope_acquisition import read_scope_recording, scope_command

WHO = {"subject_id": "m1", "user_id": "u"}


def _command(**given: object) -> list[str]:
    parameters = LaunchParameters.model_validate(WHO | {"launcher": "scope"} | given)
    values = {name: getattr(parameters, name) for name in type(parameters).model_fields if name.startswith("scope_")}
    return list(scope_command(values, None, "m1", Path("session")))


def test_the_command_says_what_was_given():
    command = _command(
        scope_seconds=2.5, scope_camera_settings={"framerate": 100}, scope_settings={"ROI": 40}, scope_beads="7",
        scope_simulated_focus=True,
    )  # fmt: skip
    assert command[:7] == [sys.executable, "-m", "opticstream", "scope", "run", "--name", "m1"]
    pairs = list(itertools.pairwise(command))
    for flag, value in (
        ("--save", str(Path("session", "scope"))),
        ("--seconds", "2.5"),
        ("--camera-setting", "framerate=100"),
        ("--set", "ROI=40"),
        ("--beads", "7"),
    ):
        assert (flag, value) in pairs
    assert command[-1] == "--simulated-focus"
    assert "--replay" not in command and "--zlut" not in command


def test_a_scopes_key_names_its_launcher():
    assert inferred_launcher({"scope_seconds": 3}) == "scope"
    assert LaunchParameters.model_validate(WHO | {"scope_seconds": 3}).launcher == "scope"


def test_what_a_scope_left(tmp_path):
    assert read_scope_recording(tmp_path) is None
    folder = tmp_path / "scope"
    folder.mkdir()
    (folder / "scope_session.json").write_text("{")
    assert read_scope_recording(tmp_path) is None
    (folder / "scope_session.json").write_text(json.dumps({"frames": 3}))
    for name in ("Tracking Data 2026-01-02 00-00-00.000000.h5", "Tracking Data 2026-01-01 00-00-00.000000.h5"):
        (folder / name).touch()
    found = read_scope_recording(tmp_path)
    assert found.summary == {"frames": 3} and found.picture is None and found.plots == ()
    for name in ("plot Focus nm.png", "beads.png"):
        (folder / name).touch()
    assert found.picture == folder / "beads.png" and found.plots == (folder / "plot Focus nm.png",)
    assert [path.name[14:24] for path in found.files] == ["2026-01-01", "2026-01-02"]
