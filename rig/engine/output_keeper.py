"""What keeps the acquisition's output flowing when the launcher dies."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opticstream.rig.engine import keeper_main


class OutputKeeper:
    """A small process that holds the read ends of the acquisition's pipes and reads nothing while the launcher lives.

    Without it the death of the launcher would close the pipes, and the next line the acquisition prints would end it
    (SIGPIPE, on Windows a write error). A file instead of the pipes would do the same to it when the disk is full, and
    could not be bounded. The keeper reads on into the log files until the acquisition has ended, then it ends too.

    Args:
        pipes: (read end, log file or None) of each stream.
        limit_bytes: size beyond which a log grows no further.
    """

    def __init__(self, pipes: Sequence[tuple[int, Path | None]], limit_bytes: int) -> None:
        lifeline, self._lifeline = os.pipe()
        try:
            names, options = _inherit([lifeline, *(pipe for pipe, _ in pipes)])
            pairs = [word for name, (_, log) in zip(names[1:], pipes, strict=True) for word in (name, str(log or ""))]
            command = [sys.executable, "-I", "-S", keeper_main.__file__, names[0], str(limit_bytes), *pairs]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **options,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)

    @property
    def pid(self) -> int:
        """Process id of the keeper."""
        return self._process.pid

    def dismiss(self) -> None:
        """End it: the output has been read."""
        self._process.kill()  # it holds nothing that could be lost
        self._process.wait()
        os.close(self._lifeline)


def _inherit(descriptors: Sequence[int]) -> tuple[list[str], dict[str, Any]]:
    """Return what the process calls the descriptors, and what makes it inherit them; Windows is not verified here."""
    if sys.platform == "win32":
        import msvcrt

        handles = [msvcrt.get_osfhandle(descriptor) for descriptor in descriptors]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        return [str(handle) for handle in handles], {"startupinfo": startup, "creationflags": flags}
    # A session of its own: neither Ctrl+C nor the closing of the terminal reaches it.
    return [str(descriptor) for descriptor in descriptors], {"pass_fds": list(descriptors), "start_new_session": True}
