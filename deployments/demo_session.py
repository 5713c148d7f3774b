"""The demo's sessions: two simulated rigs agree on a name, and each launches its part from parameters to archive."""

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from opticstream.core.files import write_text
from opticstream.deployments.demo_launching import launch_process, told_end
from opticstream.deployments.demo_stage import DemoPart, fresh_folder
from opticstream.rig import simulated_behaviour
from opticstream.rig.launcher.closing import PLOT
from opticstream.watch import StopSignal

_PATIENCE_S = 120.0
_LOOK_S = 0.2


def run_session_demo(output: Path, say: Callable[[str], None], stop: StopSignal) -> DemoPart:
    """Launch a behaviour session and an imaging session that belong together, as two people would at two rigs.

    Args:
        output: folder that receives parameter files, sessions and archive; emptied first.
        say: tells the operator a line.
        stop: ends the sessions early.
    """
    rigs = fresh_folder(output, "rigs")
    archive = fresh_folder(output, "archive")
    sessions = fresh_folder(output, "sessions")
    port = _free_port()
    say(f"Two simulated rigs launch a session together: {sessions}")
    files = [
        _rig(rigs, sessions, archive, name, {**common, "session_sync_port": port})
        for name, common in (("behavior", _master()), ("imaging", _slave()))
    ]
    ends: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        running = {name: launch_process(stack, name, params, answers) for name, params, answers in files}
        for _ in range(int(_PATIENCE_S / _LOOK_S)):
            if stop.wait(_LOOK_S) or all(process.poll() is not None for process in running.values()):
                break
        for name, process in running.items():
            if process.poll() is None:
                process.terminate()
            said, _ = process.communicate(timeout=60)
            ends[name] = told_end(said)
    folders = [Path(end["session_folder"]) for end in ends.values() if end.get("session_folder")]
    return DemoPart(
        "Launched sessions",
        "sessions",
        products=[path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()],
        pictures=[picture for folder in folders for picture in sorted(folder.glob(f"launcher_metadata*/{PLOT}"))],
        seconds={f"{name} {end.get('session_name')}": sum(end["durations"].values()) for name, end in ends.items()},
        failed=sum(end["exit_code"] != 0 for end in ends.values()),
        kind_of=lambda path: "metadata" if path.parent.name.startswith("launcher_metadata") else path.name,
        state=dict(ends),
    )


def _master() -> dict[str, Any]:
    return {
        "session_sync_role": "master",
        "session_sync_expected_slaves": 1,
        "pre_acquisition_pipeline": ["disk_space_check", "mouse_weight_pre_prompt"],
        "post_acquisition_pipeline": ["experiment_notes_post_prompt", "session_creator", "session_archiver"],
        "required_free_gb": 0.1,
    }


def _slave() -> dict[str, Any]:
    return {
        "session_sync_role": "slave",
        "session_sync_master_host": "127.0.0.1",
        "post_acquisition_pipeline": ["session_archiver"],
    }


def _rig(folder: Path, sessions: Path, archive: Path, name: str, more: dict[str, Any]) -> tuple[str, Path, Path]:
    """Write one rig's configuration, parameter file and answers; return its name and the last two."""
    rig, params, answers = (folder / f"{name}.{ending}" for ending in ("toml", "json", "answers.json"))
    write_text(rig, f'rig_id = "{name}"\n')
    write_text(answers, json.dumps({"mouse_weight_pre_g": 23.4, "experiment_notes_post": "the mouse ran well"}))
    parameters = {
        "subject_id": "demo_mouse",
        "user_id": "demo",
        "launcher": "python",
        "script_path": str(Path(simulated_behaviour.__file__)),
        "script_arguments": ["--seed", "1" if name == "behavior" else "2"],
        "output_root_folder": str(sessions / name),
        "rig_config_path": str(rig),
        "resource_log_interval": 0.5,
        "session_sync_node_name": name,
        "network_dir": str(archive / name),
    }
    write_text(params, json.dumps(parameters | more, indent=2))
    return name, params, answers


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
