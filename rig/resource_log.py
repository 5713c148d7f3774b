"""What launcher, acquisition and machine use, written down while a session runs."""

import logging
import threading
import time
from pathlib import Path
from typing import Self

import psutil

from opticstream.core.errors import BadInput
from opticstream.rig.json_array_file import JsonArrayFile
from opticstream.rig.resource_sample import Members, ResourceSampler

_log = logging.getLogger("opticstream.rig")
FILE_NAME = "resource_usage.json"


class ResourceLog:
    """Appends a sample to ``resource_usage.json`` at the start of a with block, every ``interval_s``, and at its end.

    The file is a valid JSON array at any time, and a sample costs the same at the first minute and at the tenth hour.
    A disk that refuses is one warning; the samples go on when it takes them again.

    Set ``acquisition`` to what gives its processes (``running.tree.members``) when it has started, and back to None.

    Args:
        folder: where the file goes; the disk it is on is the one reported as ``disk``.
        interval_s: seconds between samples; 0: nothing is logged at all.

    Raises:
        BadInput: the interval is negative or no number.
    """

    def __init__(self, folder: Path, interval_s: float = 5.0) -> None:
        if not 0 <= interval_s < threading.TIMEOUT_MAX:
            raise BadInput(
                "resource_log_interval", found=str(interval_s), expected="seconds between samples, or 0 for none"
            )
        self.path = folder / FILE_NAME
        self.acquisition: Members | None = None
        """Gives the acquisition's processes; None: there is none."""

        self._interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opticstream-resources", daemon=True)
        self._refused = False

    def __enter__(self) -> Self:
        """Take the first sample and go on in a thread.

        Raises:
            BadFile: something else than a JSON array is in the file's place.
            OSError: the file cannot be opened.
        """
        if self._interval_s:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = JsonArrayFile(self.path)
            self._sampler = ResourceSampler(self.path.parent)
            self._sample()
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._interval_s:
            self._ended.set()
            self._thread.join()
            self._sample()
            self._file.close()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            due += self._interval_s  # a fixed beat: what a sample takes does not add up
            now = time.monotonic()
            if due < now:
                due = now
            if self._ended.wait(due - now):
                return
            self._sample()

    def _sample(self) -> None:
        try:
            self._file.append(self._sampler.sample(self.acquisition))
            self._refused = False
        except (OSError, psutil.Error) as error:
            if not self._refused:
                _log.warning("%s: no sample was written (%s); the session goes on", self.path, error)
            self._refused = True
