"""Install the system packages that tests need; where that is not allowed, name them and exit 2."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Need:
    """A part of the system that tests use."""

    package: str
    """Name of its Debian package."""
    why: str
    present: Callable[[], bool]


def _command(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _files(folder: str, pattern: str) -> Callable[[], bool]:
    return lambda: any(Path(folder).rglob(pattern))


NEEDS = (
    Need("chromium", "page tests", _command("chromium", "chromium-browser", "google-chrome")),
    Need("postgresql", "the state store's tests", _files("/usr/lib/postgresql", "initdb")),
    Need("octave", "the MATLAB entry points' tests", _command("octave-cli")),
    Need("fonts-dejavu-core", "readable screenshots", _files("/usr/share/fonts", "*.[to]tf")),
)


def _root_prefix() -> list[str] | None:
    """Return what to put before a command so that it runs as root; None where that needs a password."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "--non-interactive"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return [*sudo, "env", "DEBIAN_FRONTEND=noninteractive"]
    return None


def main() -> int:
    """Install what is missing; return the exit code."""
    if not sys.platform.startswith("linux"):
        return 0
    missing = [need for need in NEEDS if not need.present()]
    if not missing:
        return 0
    names = [need.package for need in missing]
    for need in missing:
        print(f"not found: {need.package} (for {need.why})", flush=True)
    prefix = _root_prefix()
    if prefix is None or not shutil.which("apt-get"):
        reason = "apt-get is not here" if prefix is not None else "neither root nor sudo without a password"
        print(f"Cannot install them ({reason}). Install these packages, then try again: {' '.join(names)}")
        return 2
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", "--yes", *names])
    for command in commands:
        if subprocess.run([*prefix, *command], env=environment, check=False).returncode:
            print(f"`{' '.join(command)}` failed. Install these packages by hand, then try again: {' '.join(names)}")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
