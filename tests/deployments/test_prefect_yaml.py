"""prefect.yaml as a lab uses it: deployed, its trigger fired once, run by a worker of a work pool."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

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
    answer = httpx.post(f"{url}/deployments/filter", json={}, timeout=30).raise_for_status().json()
    return {deployment["name"]: deployment for deployment in answer}


@pytest.mark.slow
@pytest.mark.timeout(240)
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
            site.await_all(1, 120)
    runs = [run for run in site.runs() if run["deployment_id"] == deployed["oct-brain"]["id"]]
    assert [run["name"] for run in runs] == ["brain/mosaic-001/batch-001"]
    site.check(1)
