"""The ``git`` executable: asked nothing it could ask back, stopped with all its children when it takes too long."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from opticstream.core.errors import BadInput

_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # ext:: would run any command
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX")
_LAST = 4000
"""Bytes of git's words that an error repeats, at most."""


class GitFailed(BadInput):
    """Raised when git says no, is not installed, or was stopped because it took too long."""


def git(*arguments: str, at: Path, timeout_s: float = 60) -> str:
    """Run git in a folder and return what it prints, without the last line end.

    Args:
        *arguments: the command and its options.
        at: folder to run it in.
        timeout_s: seconds after which it and its children are killed.

    Raises:
        GitFailed: with git's own words.
    """
    command = ["git", "-c", "core.longpaths=true", "-c", "advice.detachedHead=false", *arguments]
    where = f"git {arguments[0]} in {at}"
    # Files take what a grandchild that outlives git may still write; a pipe would keep us waiting for it.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command, cwd=at, env=_environment(os.environ), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        except FileNotFoundError:
            raise GitFailed(
                where,
                found="no git" if at.is_dir() else "no such folder",
                expected="the git executable on the PATH, and the folder",
                action="Install git.",
            ) from None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise GitFailed(where, found="no end", expected=f"one within {timeout_s:g} s") from None
        finally:
            _kill_tree(process)
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
        if code:
            err.seek(0)
            words = " ".join(err.read()[-_LAST:].decode("utf-8", "replace").split()) or " ".join(text.split())[-_LAST:]
            raise GitFailed(where, found=words or f"exit code {code}", expected="success")
    return text.rstrip("\n")


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if name not in _FOREIGN}
    return {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes"} | kept | _QUIET


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
