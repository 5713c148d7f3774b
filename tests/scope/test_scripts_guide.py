"""What the guide about scripts shows is what happens."""

from pathlib import Path
from typing import Any

import pytest

from opticstream.scope.scripts import ScriptRegistry, ScriptRunner, ScriptStatus, SendCommand, ShowMessageCommand
from support.markdown import blocks
from support.repository import ROOT
from support.script_site import FakeLive, registry

PAGE = ROOT / "docs" / "guides" / "scope-scripts.md"
EXAMPLES = [block.text for block in blocks(PAGE) if block.language == "python"]
SCRIPTS = [text for text in EXAMPLES if "Script()" in text or "def main(" in text]


def _run(text: str, folder: Path, height: float) -> tuple[ScriptRunner, list[str]]:
    """Run a script for a minute and a half in which the bead sinks by 10 nm a second; return what it showed."""
    path = folder / "script.py"
    path.write_text(text, "utf-8")
    live = FakeLive(height=height, frame_number=41)
    runner = ScriptRunner(registry(), live)
    runner.load(path)
    runner.start(0)
    sent = []
    for turn in range(900):
        sent += [out.command for out in runner.tick(turn * 0.1) if isinstance(out, SendCommand)]
        live.height -= 1
        runner.waiting_updated()
    return runner, [command.text for command in sent if isinstance(command, ShowMessageCommand)]


@pytest.mark.parametrize("height", [250.0, 5000.0])
@pytest.mark.parametrize("text", SCRIPTS, ids=["list", "generator"])
def test_scripts_of_the_guide_run_to_their_end(text: str, height: float, tmp_path: Path) -> None:
    runner, shown = _run(text, tmp_path, height)
    assert runner.status is ScriptStatus.FINISHED
    if "Script()" in text:
        assert shown == ["Recording", "Done"]
    elif height > 1000:
        assert shown == ["Bead 3 did not come down"]
    else:
        assert len(shown) == 3 and all("in frame 41" in line for line in shown)


def test_the_other_examples_do_what_they_say() -> None:
    names: dict[str, Any] = {"__name__": __name__}
    for text in EXAMPLES:
        if text not in SCRIPTS:
            exec(text, names)
    made = ScriptRegistry(lambda command: "rotate")
    made.register_class_methods(names["Magnet"])
    assert made.lines() == ["RotateMagnetCommand -> Magnet.rotate"]


def test_every_status_and_all_that_is_live_stands_in_the_guide() -> None:
    text = PAGE.read_text("utf-8")
    live = [name for name in dir(FakeLive()) if not name.startswith("_") and name not in ("height", "settings")]
    assert [name for name in live if f"`{name}" not in text] == []
    assert [status for status in ScriptStatus if f"| {status} |" not in text] == []
