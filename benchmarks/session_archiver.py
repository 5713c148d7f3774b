"""Archiving a session, verified, beside ``cp -r`` and ``sha256sum`` in the same run.

Run as ``python benchmarks/session_archiver.py [--files N] [--big-mb MB] [--rounds N] [--folder FOLDER]``; a small run:
``--files 1000 --big-mb 100``. Every way starts from files that are on the disk, and the archiver's figures hold for
copies that are durable, read back and named. ``cp`` alone leaves its copies in memory and reads nothing back; the
command line that proves as much is ``cp -r``, ``sync`` and ``sha256sum`` of both sides.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _emit import emit as result

from opticstream.rig.archive import ArchiveRequest, archive_session
from opticstream.rig.session_folder import METADATA

emit = partial(result, "session_archiver")
_COPY = "cp -r"
_SAME_PROOF = "cp -r, sync -f, sha256sum of both sides"
_FEW = 1000


def make(session: Path, files: int, size: int) -> None:
    session.mkdir(parents=True)
    for number in range(files):
        folder = session / f"raw{number // _FEW}"
        folder.mkdir(exist_ok=True)
        with (folder / f"{number:06d}.bin").open("wb") as file:
            for _ in range(max(1, size >> 20)):
                file.write(os.urandom(min(size, 1 << 20)))
    os.sync()


def seconds(work: Callable[[], object]) -> float:
    os.sync()  # nobody pays for what an earlier way left in memory
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def shell(line: str, *folders: Path) -> None:
    subprocess.run(["sh", "-c", f"set -e; {line}", "sh", *map(str, folders)], check=True)


def archive(session: Path, *targets: Path) -> None:
    names = ("network", "backup")
    done = archive_session(ArchiveRequest(session, dict(zip(names, targets, strict=False))))
    assert done.verified, done.message


def again(session: Path, target: Path, *, reverify: bool) -> None:
    done = archive_session(ArchiveRequest(session, {"network": target}, reverify=reverify))
    assert done.verified and done.copied == 0, done.message


def ways(session: Path, base: Path) -> dict[str, Callable[[], object]]:
    copy = base / "copy"
    return {
        _COPY: lambda: shell('cp -r "$1" "$2"', session, copy),
        _SAME_PROOF: lambda: shell(
            'cp -r "$1" "$2"; sync -f "$2"; for d in "$1" "$2"; do find "$d" -type f -exec sha256sum {} + >/dev/null; done',
            session,
            copy,
        ),
        "sha256sum": lambda: shell('find "$1" -type f -exec sha256sum {} + >/dev/null', session),
        "archived": lambda: archive(session, base / "net" / "s"),
        "archived to two": lambda: archive(session, base / "net" / "s", base / "bak" / "s"),
    }


def measure(session: Path, base: Path, case: str, amount: float, unit: str, rounds: int, *, tidy: bool) -> float:
    """Emit each way's speed, and return the seconds of the archiver.

    Small files stay until the end: ext4 without a journal spends most of a file's creation on going round what was
    deleted in the last minutes, and cp would pay as much for that as we do.
    """
    took: dict[str, list[float]] = {}
    for number in range(rounds):
        for name in ways(session, base):
            folder = base / f"{session.parent.name}-{number}-{list(ways(session, base)).index(name)}"
            folder.mkdir()
            took.setdefault(name, []).append(seconds(ways(session, folder)[name]))
            shutil.rmtree(session / METADATA, ignore_errors=True)
            if tidy:
                shutil.rmtree(folder)
    for name, times in took.items():
        speed = round(amount / statistics.median(times), 1)
        if not name.startswith("archived"):
            emit(case, name, speed, unit)
            continue
        for against in (_COPY, _SAME_PROOF):
            # Of speeds: 1 is as fast, 0.5 half as fast.
            ratio = statistics.median(a / b for a, b in zip(took[against], times, strict=True))
            emit(case, name, speed, unit, ratio=ratio, against=against)
    return statistics.median(took["archived"])


def small_files(base: Path, files: int, rounds: int) -> None:
    cost: dict[int, float] = {}
    for number in sorted({min(_FEW, files), files}):
        session = base / f"small{number}" / "s"
        make(session, number, 1000)
        case = f"{number} files of 1 kB"
        cost[number] = measure(session, base, case, number, "files/s", rounds, tidy=False) / number
        target = base / f"net{number}" / "s"
        archive(session, target)
        time.sleep(2.1)  # a file that changed in the coarsest clock's step is read again, whatever its time says
        for name, reverify in (("rerun", False), ("rerun that reads the copies", True)):
            took = seconds(partial(again, session, target, reverify=reverify))
            emit(case, name, round(number / took), "files/s")
    few, many = min(cost), max(cost)
    if few != many:
        ratio = cost[many] / cost[few]
        emit(f"{many} files of 1 kB", "cost per file", round(cost[many] * 1e6, 1), "µs", ratio=ratio, against=f"{few}")


def big_file(base: Path, megabytes: int, rounds: int) -> None:
    session = base / "big" / "s"
    make(session, 1, megabytes << 20)
    measure(session, base, f"one file of {megabytes} MiB", megabytes * 1.048576, "MB/s", rounds, tidy=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of the session archiver")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--big-mb", type=int, default=2000, help="MiB; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the system's temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        small_files(Path(folder), options.files, options.rounds)
        if options.big_mb:
            big_file(Path(folder), options.big_mb, options.rounds)


if __name__ == "__main__":
    main()
