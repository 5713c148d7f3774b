"""The ``opticstream`` command as people start it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def command_environment(home: Path, api: str | None = None, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of the caller's is seen: this home, this API."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "OPTICSTREAM_"))}
    kernels = os.environ.get("OPTICSTREAM_KERNEL_CACHE", str(home / "cache"))
    settings = {
        "OPTICSTREAM_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "COLUMNS": "160",
        "OPTICSTREAM_KERNEL_CACHE": kernels,
    }
    return kept | settings | ({"PREFECT_API_URL": api} if api else {}) | more


def command_line(*arguments: object) -> list[str]:
    """Return the command with its arguments."""
    return [sys.executable, "-m", "opticstream", *map(str, arguments)]


def run_command(
    environment: dict[str, str], *arguments: object, expect: int = 0, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end and check its exit code."""
    done = subprocess.run(
        command_line(*arguments), env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
