"""The file by which others find a running scope, ``<name>.json``."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from opticstream.core.process_identity import process_birth


def read_address(path: Path) -> Mapping[str, Any] | None:
    """Return what a running scope's file says; None: there is none, or its process is gone."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        pid, birth = int(found["pid"]), found["birth"]
    except (OSError, ValueError, KeyError):
        return None
    return found if process_birth(pid) == birth else None


def remove_dead_record(path: Path) -> None:
    """Remove the file of a scope whose process was killed, and its socket; one of a scope that runs stays."""
    if read_address(path) is not None:
        return
    with suppress(OSError, ValueError, KeyError, TypeError):
        address = json.loads(path.read_text("utf-8"))["address"]
        if os.name != "nt":  # there it is a pipe, which went with its process
            socket = Path(address)
            socket.unlink(missing_ok=True)
            socket.parent.rmdir()  # multiprocessing made it for this socket
    path.unlink(missing_ok=True)
