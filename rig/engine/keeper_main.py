"""Stands by while the launcher reads the acquisition's output, and reads it when the launcher has died.

Run as a script, without site packages: ``python -I -S keeper_main.py LIFELINE LIMIT (PIPE LOG)...``; LIFELINE and
PIPE are inherited file descriptors, on Windows handles (not verified here); LOG is a file or empty; LIMIT is the size
in bytes beyond which a log grows no further.
"""

import os
import sys
import threading


def _descriptor(number: str) -> int:
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.open_osfhandle(int(number), os.O_RDONLY)
    return int(number)


def _drain(pipe: int, log: str, limit: int) -> None:
    """Read to the end; what the disk does not take is dropped, for the acquisition must not wait."""
    while True:
        data = os.read(pipe, 1 << 16)
        if not data:
            return
        try:
            if log and (not os.path.exists(log) or os.path.getsize(log) < limit):  # noqa: PTH110, PTH202 (starts sooner)
                with open(log, "ab", buffering=0) as file:  # noqa: PTH123
                    file.write(data)
        except OSError:
            pass


def main(arguments: list[str]) -> None:
    """Wait for the end of the launcher, then read until the acquisition's last process has closed its output."""
    if sys.platform != "win32":
        import signal

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    os.read(_descriptor(arguments[0]), 1)  # nobody ever writes: it returns when the launcher's end is closed
    limit, pairs = int(arguments[1]), arguments[2:]
    threads = [
        threading.Thread(target=_drain, args=(_descriptor(pipe), log, limit))
        for pipe, log in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
