"""Windows' job objects: a process tree that nobody can leave. Not verified here."""

import os
import sys
from typing import Any

_QUERY_IDS, _ASSIGN, _MAX_PROCESSES = 3, 0x0101, 4096


class WindowsJob:
    """Holds a process and everything it starts. It is not closed on the launcher's death: the acquisition goes on.

    Args:
        pid: a process that was created suspended and has started nothing yet.

    Raises:
        OSError: Windows refused, or this is not Windows.
    """

    def __init__(self, pid: int) -> None:
        if os.name != "nt":
            raise OSError("job objects exist on Windows only")
        import ctypes

        self._kernel: Any = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 (Windows has it)
        for name in ("CreateJobObjectW", "OpenProcess"):
            getattr(self._kernel, name).restype = ctypes.c_void_p
        self._job = ctypes.c_void_p(self._checked(self._kernel.CreateJobObjectW(None, None)))
        process = ctypes.c_void_p(self._checked(self._kernel.OpenProcess(_ASSIGN, False, pid)))
        try:
            self._checked(self._kernel.AssignProcessToJobObject(self._job, process))
        finally:
            self._kernel.CloseHandle(process)

    def pids(self) -> list[int]:
        """Return the processes in the job."""
        import ctypes

        class Ids(ctypes.Structure):
            _fields_ = (
                ("assigned", ctypes.c_uint32),
                ("listed", ctypes.c_uint32),
                ("ids", ctypes.c_size_t * _MAX_PROCESSES),
            )

        found = Ids()
        self._checked(
            self._kernel.QueryInformationJobObject(
                self._job, _QUERY_IDS, ctypes.byref(found), ctypes.sizeof(found), None
            )
        )
        return [int(found.ids[index]) for index in range(found.listed)]

    def kill(self) -> None:
        """End every process in the job at once."""
        self._kernel.TerminateJobObject(self._job, 1)

    def close(self) -> None:
        """Give the handle back; the processes go on."""
        self._kernel.CloseHandle(self._job)

    @staticmethod
    def _checked(answer: Any) -> Any:
        if not answer and sys.platform == "win32":
            import ctypes

            raise ctypes.WinError(ctypes.get_last_error())
        return answer
