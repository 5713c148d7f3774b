"""Hooks that make a read-only, dual-attached volume show new files: unmount it and mount it again."""

import logging
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial

from opticstream.core.errors import BadInput

RefreshHook = Callable[[], None]
"""Refreshes a volume; raises whatever it likes on failure."""

_SCRIPTS = "/usr/etc"
_TIMEOUT_S = 120.0
_log = logging.getLogger("opticstream.watch")


def remount(name: str, *, folder: str = _SCRIPTS, timeout_s: float = _TIMEOUT_S) -> None:
    """Run ``{folder}/{name}_unmount`` and then ``{name}_mount`` with bash.

    The volume is mounted again also when it could not be unmounted, as half a refresh is worse than none.

    Raises:
        RuntimeError: bash is not there, or a script failed or took longer than ``timeout_s`` seconds.
    """
    problems = []
    for script in (f"{folder}/{name}_unmount", f"{folder}/{name}_mount"):
        try:
            _run(script, timeout_s)
        except (RuntimeError, OSError) as error:
            problems.append(str(error))
    if problems:
        raise RuntimeError("; ".join(problems))


def _run(script: str, timeout_s: float) -> None:
    # To a file, not a pipe: a child that outlives bash would keep a pipe open and the wait with it.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["bash", script], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{script} took longer than {timeout_s:g} s") from None
        finally:
            if process.poll() is None:
                _kill(process)
        if code:
            output.seek(0)
            said = output.read(2000).decode(errors="replace").strip()
            raise RuntimeError(f"{script} ended with exit code {code}: {said}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


_hooks: dict[str, RefreshHook] = {
    "none": lambda: None,
    **{name: partial(remount, name) for name in ("sas", "sas2", "sas3")},
}


def refresh_hook_names() -> tuple[str, ...]:
    """Return the names of all hooks, sorted."""
    return tuple(sorted(_hooks))


def register_refresh_hook(name: str, hook: RefreshHook) -> None:
    """Add a hook, or replace the one of that name; case does not matter."""
    _hooks[name.lower()] = hook


def refresh_hook(name: str) -> Callable[[], bool]:
    """Return the hook of a name in a form that never raises: it returns whether it worked and logs when not.

    Raises:
        BadInput: there is no such hook.
    """
    hook = _hooks.get(name.lower())
    if hook is None:
        raise BadInput("--refresh", found=repr(name), expected=f"one of {', '.join(refresh_hook_names())}")
    return partial(_guarded, name.lower(), hook)


def _guarded(name: str, hook: RefreshHook) -> bool:
    try:
        hook()
    except Exception as error:  # the data is processed; a volume that does not refresh must not end the watch
        _log.warning("Refreshing %s failed: %s", name, error)
        return False
    return True
