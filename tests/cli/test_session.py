"""``opticstream session state show|clear``."""

import json
from pathlib import Path

from opticstream.rig.session_state import SessionStateMixin
from support.command import command_environment, run_command


class Launcher(SessionStateMixin):
    def __init__(self, trial_count: int) -> None:
        self.trial_count, self.note = trial_count, "[bold] " + "long " * 100


class Second(Launcher):
    pass


def test_show_and_clear(home: Path, tmp_path: Path) -> None:
    environment, folder = command_environment(home), tmp_path / "session"
    Launcher(3).save_session_state(folder)
    Second(5).save_session_state(folder)
    shown = run_command(environment, "session", "state", "show", folder).stdout
    assert "Launcher" in shown and "trial_count" in shown and "[bold] long" in shown
    states = json.loads(run_command(environment, "session", "state", "show", folder, "--json").stdout)[
        "launcher_states"
    ]
    assert sorted(state["attributes"]["trial_count"] for state in states.values()) == [3, 5]
    done = run_command(environment, "session", "state", "clear", folder, "--namespace", f"{__name__}.Second", "--json")
    assert json.loads(done.stdout)["removed"] is True
    assert "nothing" in run_command(environment, "session", "state", "clear", folder, "--namespace", "x").stdout
    assert Launcher(0).load_session_state(folder) and not Second(0).get_session_state_info(tmp_path)
    assert "removed" in run_command(environment, "session", "state", "clear", folder, "--all").stdout
    assert not (folder / "session_state.json").exists() and not home.exists()


def test_what_cannot_be_shown_or_cleared(home: Path, tmp_path: Path) -> None:
    environment = command_environment(home)
    assert "no file" in run_command(environment, "session", "state", "show", tmp_path, expect=2).stderr
    assert "--all" in run_command(environment, "session", "state", "clear", tmp_path, expect=2).stderr
    (tmp_path / "session_state.json").write_text("[]")
    assert "launcher_states" in run_command(environment, "session", "state", "show", tmp_path, expect=2).stderr
    run_command(environment, "session", "state", "clear", tmp_path, "--namespace", "x", expect=2)
    run_command(environment, "session", "state", "clear", tmp_path, "--all")
    assert not (tmp_path / "session_state.json").exists()
