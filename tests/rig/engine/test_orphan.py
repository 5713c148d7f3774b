"""The launcher is killed; the acquisition goes on, is found, and can be ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from opticstream.core.errors import BadFile
from opticstream.core.process_identity import default_host_name, process_birth
from opticstream.rig.engine import AcquisitionRecord, end_orphan, find_orphan, find_orphans, record_file
from support import doomed_launcher
from support.acquisition import STUBBORN, Start, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(os.name == "nt", reason="kills by signal")]
TICKING = """
import os, time
print("waits")
while not os.path.exists({go!r}): time.sleep(0.01)
for i in range(2600): print('tick', i, 'x' * 900)
print('through')
"""


@contextmanager
def killed_launcher(session: Path, code: str) -> Iterator[int]:
    """Start a launcher, kill it once its acquisition is noted, and yield the acquisition's process."""
    environment = os.environ | {"PYTHONPATH": str(Path(doomed_launcher.__file__).parents[1])}
    command = [sys.executable, doomed_launcher.__file__, str(session), code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        until(lambda: (record := AcquisitionRecord.read(record_file(session))) and record.pid == pid)
        keepers = [child for child in psutil.Process(launcher.pid).children() if child.pid != pid]
        assert len(keepers) == 1
        launcher.kill()
        launcher.wait()
    try:
        yield pid
    finally:
        for process in (pid, keepers[0].pid):
            if process_birth(process):
                os.kill(process, signal.SIGKILL)
        until(lambda: not any(process_birth(each) for each in (pid, keepers[0].pid)))


def _size(session: Path) -> int:
    return (session / "launcher_metadata" / "acquisition_stdout.log").stat().st_size


def test_it_goes_on_and_its_output_too(session: Path) -> None:
    """Twice what the pipe holds is written after the launcher's death: nothing blocks it, no SIGPIPE ends it."""
    go = session / "go"
    with killed_launcher(session, TICKING.format(go=str(go))) as pid:
        orphan = find_orphan(session)
        assert orphan is not None and orphan.pids == (pid,) and not orphan.elsewhere
        assert "test acquisition started" in str(orphan) and str(session) in str(orphan)
        go.touch()
        until(lambda: process_birth(pid) is None)
        until(lambda: b"through\n" in (session / "launcher_metadata" / "acquisition_stdout.log").read_bytes()[-20:])
        assert _size(session) > 2 << 20
        assert find_orphan(session) is None, "it has ended"


def test_it_is_found_and_ended_with_its_tree(session: Path, doomed: list[int]) -> None:
    code = STUBBORN + ("import os\nif os.fork() == 0:\n  os.setsid()\ntime.sleep(600)\n")
    with killed_launcher(session, code) as pid:
        until(lambda: (found := find_orphan(session)) and len(found.pids) == 2)
        (orphan,) = find_orphans(session.parent)
        assert orphan.pids[0] == pid and orphan.record.command[-1] == code.rstrip() + "\n"
        doomed += orphan.pids
        assert end_orphan(orphan, 0.1) == ()
        assert not any(map(process_birth, orphan.pids))
        assert not record_file(session).exists() and find_orphan(session) is None


def test_descendants_are_an_orphan_too(session: Path, doomed: list[int]) -> None:
    """The main process has died meanwhile; what it started goes on."""
    code = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  time.sleep(600)\ntime.sleep(600)\n"
    with killed_launcher(session, code) as pid:
        until(lambda: (found := find_orphan(session)) and len(found.pids) == 2)
        os.kill(pid, signal.SIGKILL)
        until(lambda: process_birth(pid) is None)
        orphan = find_orphan(session)
        assert orphan is not None and len(orphan.pids) == 1 and pid not in orphan.pids
        doomed += orphan.pids
        assert end_orphan(orphan, 60) == ()
        assert process_birth(orphan.pids[0]) is None


def _record(**changes: object) -> AcquisitionRecord:
    values: dict[str, object] = {
        "label": "acquisition",
        "command": ("x",),
        "mark": "not carried by anybody",
        "host": default_host_name(),
        "launcher_pid": 1,
        "launcher_birth": "another life",
        "started": datetime.now(UTC),
    }
    return AcquisitionRecord.model_validate(values | changes)


def test_a_recycled_number_is_never_taken_for_it(session: Path) -> None:
    """Here the number is this test's own, in another life."""
    _record(pid=os.getpid(), birth="another life").write(record_file(session))
    assert find_orphan(session) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as stranger:
        _record(pid=stranger.pid, birth="another life").write(record_file(session))
        assert find_orphan(session) is None
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_living_launchers_acquisition_is_no_orphan(start: Start, session: Path) -> None:
    running = start("import time; time.sleep(600)")
    until(lambda: (record := AcquisitionRecord.read(record_file(session))) and record.pid == running.pid)
    assert find_orphan(session) is None
    assert list(find_orphans(session.parent)) == []


def test_another_hosts_is_not_judged_here(session: Path) -> None:
    _record(host="other-rig", pid=4, birth="x").write(record_file(session))
    orphan = find_orphan(session)
    assert orphan is not None and orphan.elsewhere and "other-rig" in str(orphan)
    assert list(find_orphans(session.parent)) == []
    with pytest.raises(BadFile, match="an acquisition on other-rig"):
        end_orphan(orphan)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{}", b'{"pid": "x"}'])
def test_a_broken_record_is_one_error(session: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert find_orphan(session) is None, "there is none yet"
    record_file(session).parent.mkdir()
    record_file(session).write_bytes(content)
    with pytest.raises(BadFile, match=r"acquisition\.json: found .*; expected an acquisition record"):
        find_orphan(session)
    assert list(find_orphans(session.parent)) == []
    assert "acquisition.json" in caplog.text


def test_a_record_reads_back(session: Path) -> None:
    record = _record(pid=7, birth="b", logs=(Path("a.log"),))
    record.write(record_file(session))
    assert AcquisitionRecord.read(record_file(session)) == record
