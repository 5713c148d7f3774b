"""prefect.yaml as a lab uses it: deployed, its trigger fired once, run by a worker of a work pool."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opticstream.deployments.job_deployment import job_trigger
from opticstream.tasks.jobs import ARCHIVE, CHANNELS, STRIPS
from support.api import ask_api
from support.kills import ended
from support.repository import ROOT
from support.site import Site

PREFECT = Path(sys.executable).with_name("prefect.exe" if os.name == "nt" else "prefect")


def _prefect(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [PREFECT, "--no-prompt", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _deployments(url: str) -> dict[str, dict[str, Any]]:
    return {deployment["name"]: deployment for deployment in ask_api(url, "deployments/filter", {})}


def _automations(url: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = ask_api(url, "automations/filter", {})
    return answer


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_light_sheet_file_makes_what_serve_makes(site: Site) -> None:
    site.server()
    environment = site.environment | {"PREFECT_API_URL": site.url, "OPTICSTREAM_PROJECT": "sheet"}
    _prefect(environment, "work-pool", "create", "opticstream", "--type", "process")
    _prefect(environment, "deploy", "--prefect-file", "prefect-lsm.yaml", "--all")
    deployed = _deployments(site.url)
    jobs = {job.deployment("sheet"): job for job in (STRIPS, ARCHIVE, CHANNELS)}
    assert set(deployed) == {"manual", "lsm-reconcile-sheet", "lsm-reprocess-sheet", *jobs}
    triggers = {automation["name"]: automation["trigger"] for automation in _automations(site.url)}
    for name, job in jobs.items():
        served = job_trigger(job, "sheet").model_dump(mode="json")
        for field in ("expect", "match", "within", "threshold", "posture"):
            assert triggers[f"{name}-ready"][field] == served[field], (name, field)
        module, _, function = job.entrypoint.partition(":")
        assert deployed[name]["entrypoint"] == f"{module}.{function}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_deploys_and_one_event_starts_one_run(site: Site, tmp_path: Path) -> None:
    site.server()
    environment = site.environment | {"PREFECT_API_URL": site.url, "OPTICSTREAM_PROJECT": "brain"}
    _prefect(environment, "work-pool", "create", "opticstream", "--type", "process")
    for _ in range(2):  # deploying again leaves one trigger
        _prefect(environment, "deploy", "--all")
    deployed = _deployments(site.url)
    assert set(deployed) == {"manual", "oct-brain", "reconcile-brain", "reprocess-brain"}
    assert all(deployment["pull_steps"] in ([], None) for deployment in deployed.values())
    active = {name: [s["active"] for s in deployment["schedules"]] for name, deployment in deployed.items()}
    assert active == {"manual": [], "oct-brain": [], "reconcile-brain": [True], "reprocess-brain": [False]}

    site.watch()
    site.arrive(1)
    worker = [PREFECT, "worker", "start", "--pool", "opticstream", "--limit", "1"]
    elsewhere = environment | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    with subprocess.Popen(worker, cwd=tmp_path, env=elsewhere, stdout=site.log, stderr=site.log) as process:
        with ended(process):
            site.await_all(1, 240)
    runs = [run for run in site.runs() if run["deployment_id"] == deployed["oct-brain"]["id"]]
    assert [run["name"] for run in runs] == ["brain/mosaic-001/batch-001"]
    site.check(1)
