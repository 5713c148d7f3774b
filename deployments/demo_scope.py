"""The demo's microscope: beads are simulated, found, tracked and recorded for ten seconds."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from opticstream.core.files import write_text
from opticstream.deployments.demo_launching import launch_process, told_end
from opticstream.deployments.demo_stage import DemoPart, fresh_folder
from opticstream.rig.scope_acquisition import read_scope_recording
from opticstream.watch import StopSignal

_SECONDS = 10
_PATIENCE_S = 120.0
_LOOK_S = 0.2


def run_scope_demo(output: Path, say: Callable[[str], None], stop: StopSignal) -> DemoPart:
    """Launch a session whose acquisition is a live microscope.

    Args:
        output: folder that receives parameter file and session; emptied first.
        say: tells the operator a line.
        stop: ends the session early.
    """
    rigs, sessions = fresh_folder(output, "rigs"), fresh_folder(output, "sessions")
    say(f"A simulated microscope tracks beads for {_SECONDS} s: {sessions}")
    rig, params, answers = (rigs / name for name in ("scope.toml", "scope.json", "scope.answers.json"))
    write_text(rig, 'rig_id = "scope"\n')
    write_text(answers, "{}")
    parameters = {
        "subject_id": "demo_beads",
        "user_id": "demo",
        "launcher": "scope",
        "scope_seconds": _SECONDS,
        "output_root_folder": str(sessions),
        "rig_config_path": str(rig),
    }
    write_text(params, json.dumps(parameters, indent=2))
    with ExitStack() as stack:
        process = launch_process(stack, "scope", params, answers)
        for _ in range(int(_PATIENCE_S / _LOOK_S)):
            if stop.wait(_LOOK_S) or process.poll() is not None:
                break
        if process.poll() is None:
            process.terminate()
        said, _ = process.communicate(timeout=60)
    end = told_end(said)
    folder = Path(end["session_folder"]) if end.get("session_folder") else None
    recording = read_scope_recording(folder) if folder else None
    picture = recording.picture if recording else None
    return DemoPart(
        "Live microscope",
        "sessions",
        products=sorted(path for path in recording.folder.iterdir() if path.is_file()) if recording else [],
        pictures=[*([picture] if picture else []), *(recording.plots if recording else [])],
        seconds={f"scope {end.get('session_name')}": sum(end["durations"].values())},
        failed=int(end["exit_code"] != 0),
        kind_of=lambda path: "tracks" if path.suffix == ".h5" else path.name,
        state={"scope": dict(recording.summary) if recording else {}},
    )
