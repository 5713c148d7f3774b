"""What a launch adds to an experiment: until the acquisition's process is started, and after it has ended.

Run as ``python benchmarks/launch.py [ROUNDS]``. The embedded server runs already; the session has no modules. Beside it,
in the same round, a script whose flow is empty: from its start to the flow's body, and from there to its end.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from _emit import emit as result

from opticstream.core.settings import load_settings
from opticstream.deployments.server import start_server, stop_server

emit = partial(result, "launch")
_AGAINST = "a script whose flow is empty"
_EMPTY = """
import sys, time
from prefect import flow

@flow
def empty():
    open(sys.argv[1], "w").write(f"{time.time()} {time.time()}")

empty()
"""
_ACQUISITION = """
import sys, time, psutil
with open(sys.argv[1], "w") as file:
    file.write(f"{psutil.Process().create_time()} {time.time()}")
"""


def measure(command: list[str], times: Path, environment: dict[str, str]) -> tuple[float, float, float]:
    """Return the seconds before and after what writes its times, and the CPU seconds of it all."""
    cpu = _children_cpu()
    began = time.time()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    ended = time.time()
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    first, last = map(float, times.read_text().split())
    times.unlink()
    return first - began, ended - last, _children_cpu() - cpu


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opticstream-bench-") as name:
        folder = Path(name)
        settings = load_settings(home=folder / "home", server_port=0)
        environment = os.environ | {
            "OPTICSTREAM_HOME": str(settings.home),
            "PREFECT_HOME": str(settings.home / "prefect"),
        }
        environment.pop("PREFECT_API_URL", None)
        times, empty, script, params = (folder / name for name in ("times", "empty.py", "run.py", "params.json"))
        empty.write_text(_EMPTY)
        script.write_text(_ACQUISITION)
        values = {
            "subject_id": "mouse",
            "user_id": "bench",
            "launcher": "python",
            "script_path": str(script),
            "script_arguments": [str(times)],
            "output_root_folder": str(folder / "sessions"),
        }
        params.write_text(json.dumps(values))
        own = [sys.executable, "-m", "opticstream", "launch", str(params), "--operator", "headless", "--json"]
        try:
            url = start_server(settings).url
            bare = [sys.executable, str(empty), str(times)]
            both: list[tuple[tuple[float, float, float], tuple[float, float, float]]] = []
            for number in range(rounds + 1):
                ours = measure(own, times, environment)
                theirs = measure(bare, times, environment | {"PREFECT_API_URL": url})
                if number:  # the first one compiles and prepares
                    both.append((ours, theirs))
        finally:
            stop_server(settings)
    metrics = ("process start → acquisition started", "acquisition ended → prompt", "CPU of it all")
    for index, metric in enumerate(metrics):
        ours, theirs = (statistics.median(pair[which][index] for pair in both) for which in (0, 1))
        case = f"{rounds} sessions without modules"
        emit(case, metric, round(ours, 3), "s", ratio=ours / theirs, against=_AGAINST)
        emit(case, f"{metric}, above {_AGAINST}", round(ours - theirs, 3), "s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 7)
