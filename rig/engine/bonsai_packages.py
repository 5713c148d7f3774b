"""Whether a Bonsai folder holds the packages its configuration names."""

import logging
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import read_failed

_log = logging.getLogger("opticstream.rig")
_LIMIT_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class PackageMismatch:
    """A package that is not there as it should be."""

    package: str
    expected: str
    """Version the configuration names."""

    found: tuple[str, ...]
    """Versions that are there."""

    def __str__(self) -> str:
        return f"{self.package}: expected {self.expected}, found {', '.join(self.found) or 'none'}"


def check_bonsai_packages(config: Path, executable: Path) -> list[PackageMismatch]:
    """Compare ``<Packages><Package id= version=/>`` with the folders ``Packages/Name.Version`` beside Bonsai.

    ``1.2.0`` and ``1.2`` are the same version; names are compared in any case.

    Args:
        config: ``Bonsai.config``.
        executable: Bonsai; its packages are in ``Packages`` beside it.

    Returns:
        What differs; nothing when all is as it should be.

    Raises:
        BadFile: the configuration cannot be read or is not what Bonsai writes.
    """
    try:
        if config.stat().st_size > _LIMIT_BYTES:
            raise BadFile(str(config), found=f"more than {_LIMIT_BYTES >> 20} MB", expected="Bonsai's configuration")
        root = ET.fromstring(config.read_bytes())
    except OSError as error:
        raise read_failed(config, error) from None
    except ET.ParseError as error:
        raise BadFile(str(config), found=f"no XML: {error}", expected="Bonsai's configuration") from None
    wanted = [package for group in root.iter("Packages") for package in group.iter("Package")]
    there = _installed(executable.parent / "Packages")
    mismatches = []
    for package in wanted:
        name, version = package.get("id"), package.get("version")
        if not name or not version:
            raise BadFile(str(config), found="a Package without id or version", expected="both")
        found = sorted(folder[len(name) + 1 :] for folder in there if _is_package(folder, name))
        if _plain(version) not in {_plain(each) for each in found}:
            mismatches.append(PackageMismatch(name, version, tuple(found)))
    return mismatches


def ensure_bonsai(executable: Path, setup_script: Path | None, timeout_s: float = 1800) -> None:
    """Run the setup script when Bonsai is not there.

    Args:
        executable: what must be there afterwards.
        setup_script: run in its own folder; ``.ps1`` by PowerShell (not verified here).
        timeout_s: seconds it may take.

    Raises:
        BadInput: Bonsai is not there and there is no script, or the script failed or did not bring it.
    """
    if executable.is_file():
        return
    if setup_script is None:
        raise BadInput("bonsai_exe_path", found=f"no file {executable}", expected="Bonsai, or a bonsai_setup_script")
    if not setup_script.is_file():
        raise BadInput("bonsai_setup_script", found=f"no file {setup_script}", expected="a script that installs Bonsai")
    _log.info("Bonsai is not at %s; running %s", executable, setup_script)
    try:
        done = subprocess.run(
            _interpreter(setup_script),
            cwd=setup_script.absolute().parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"bonsai_setup_script {setup_script}", found=str(error), expected="a script that ends") from None
    said = done.stdout.decode("utf-8", "replace").strip()[-500:]
    if done.returncode:
        raise BadInput(
            f"bonsai_setup_script {setup_script}", found=f"exit code {done.returncode}: {said}", expected="exit code 0"
        )
    if not executable.is_file():
        raise BadInput(
            f"bonsai_setup_script {setup_script}", found="exit code 0, but no Bonsai", expected=str(executable)
        )


def _interpreter(script: Path) -> list[str]:
    path = str(script.absolute())
    if script.suffix.lower() == ".ps1":
        return ["powershell" if sys.platform == "win32" else "pwsh", "-ExecutionPolicy", "Bypass", "-File", path]
    if sys.platform == "win32":
        return ["cmd", "/c", path]
    return ["sh", path]


def _installed(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []


def _is_package(folder: str, name: str) -> bool:
    """Say whether a folder is ``Name.Version``: what follows the name begins with a digit."""
    return folder.lower().startswith(f"{name.lower()}.") and folder[len(name) + 1 : len(name) + 2].isdigit()


def _plain(version: str) -> str:
    while version.endswith(".0"):
        version = version.removesuffix(".0")
    return version.lower()
