import logging
import os
import shutil
import subprocess
import sys

import psutil
import pytest

from opticstream.core.errors import BadInput
from opticstream.watch import PriorityKeeper, check_priority
from support.waiting import until

posix = pytest.mark.skipif(os.name != "posix", reason="nice values are POSIX")
NAME = "AndorSolisTest"
NICE = {
    "idle": 10,
    "below_normal": 5,
    "Below-Normal": 5,
    "normal": 0,
    "above_normal": -2,
    "high": -5,
    "realtime": -15,
    "-20": -20,
    " 19 ": 19,
    "+3": 3,
}


@pytest.fixture
def child(tmp_path):
    """Return a process of that name that sleeps."""
    program = tmp_path / f"{NAME}.EXE"
    shutil.copy2(shutil.which("sleep") or sys.executable, program)
    process = subprocess.Popen([program, "600"])
    try:
        found = psutil.Process(process.pid)
        until(lambda: found.name() == program.name, "it has become the program")
        yield found
    finally:
        process.kill()
        process.wait()


@posix
@pytest.mark.parametrize(
    ("text", "nice"),
    NICE.items(),
)
def test_priorities(text, nice):
    assert check_priority(text) == nice


@pytest.mark.parametrize("text", ["", "highest", "20", "-21", "1.5", "٣", "--3", "99999999999999999999"])
def test_unknown_priorities_are_refused(text):
    with pytest.raises(BadInput, match="below_normal"):
        check_priority(text)


@pytest.mark.parametrize("options", [{"name": " "}, {"name": ".exe"}, {"interval_s": 0}, {"priority": "loud"}])
def test_what_cannot_work_is_refused(options):
    with pytest.raises(BadInput):
        PriorityKeeper(**{"name": NAME} | options)


@posix
@pytest.mark.parametrize("name", [NAME, NAME.lower(), f"{NAME}.exe"])
def test_a_process_is_found_by_its_name_and_set_once(child, name):
    keeper = PriorityKeeper(name, "below_normal")
    assert keeper.look() == [child.pid]
    assert child.nice() == 5
    assert keeper.look() == []
    assert PriorityKeeper(name[:-1], "idle").look() == []


@posix
def test_the_thread_sets_it_again(child):
    with PriorityKeeper(NAME, "1", interval_s=0.02):
        for _ in range(2):
            until(lambda: child.nice() == 1, "it is set")
            if os.geteuid() != 0:
                break  # nobody else may lower it
            child.nice(3)


@posix
def test_a_process_that_denies_it_is_one_warning(child, caplog):
    """Only root may raise a priority, so root gives that up meanwhile."""
    caplog.set_level(logging.WARNING)
    keeper = PriorityKeeper(NAME, "high")
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        for _ in range(3):
            assert keeper.look() == []
    finally:
        if root:
            os.seteuid(0)
    assert caplog.text.count("may not be set to high") == 1
    assert child.nice() == 0
