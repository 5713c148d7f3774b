"""prefect-launch.yaml as a rig uses it: deployed, and a session launched by the worker of its work pool."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.kills import ended
from support.launch_site import LaunchSite, awaited
from support.repository import ROOT

PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_session_launched_by_a_worker(tmp_path: Path) -> None:
    with LaunchSite(tmp_path / "rig") as rig:
        rig.server()
        environment = rig.environment | {"OPTICSTREAM_RIG": "rig-7"}
        deploy = ["deploy", "--prefect-file", "prefect-launch.yaml", "--all"]
        for command in (["work-pool", "create", "rig-7", "--type", "process"], deploy, deploy):
            done = subprocess.run(
                [*PREFECT, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        deployments = {each["entrypoint"].rpartition(".")[2]: each for each in rig.post("deployments/filter", {})}
        assert sorted(deployments) == ["launch", "scope_session"]
        for deployment in deployments.values():
            assert deployment["name"] == "rig-7" and deployment["pull_steps"] in ([], None)
        deployment = deployments["launch"]
        body = {"parameters": {"param_file": str(rig.params("print('hello')"))}}
        run_id = rig.post(f"deployments/{deployment['id']}/create_flow_run", body)["id"]
        worker = [*PREFECT, "worker", "start", "--pool", "rig-7", "--limit", "1"]
        elsewhere = environment | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
        with (tmp_path / "worker.txt").open("wb") as log:
            with subprocess.Popen(worker, cwd=tmp_path, env=elsewhere, stdout=log, stderr=log) as process:
                with ended(process):
                    awaited(lambda: rig.run(run_id)["state_type"] in ("COMPLETED", "FAILED"), "the session's end", 240)
        run = rig.run(run_id)
        assert run["state_type"] == "COMPLETED" and run["name"] == "params", run["state"]["message"]
        assert [path.name for path in (rig.folder / "sessions").iterdir()] == [run["state"]["message"].split(":")[0]]
