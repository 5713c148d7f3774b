"""Is the holder of a claim still the process that made it."""

import subprocess
import sys

import psutil

from opticstream.core.process_identity import ProcessIdentity, default_host_name, is_alive, process_birth, this_process
from support.waiting import until


def test_a_process_lives_until_it_ends_even_as_a_zombie() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        holder = ProcessIdentity("here", child.pid, process_birth(child.pid) or "")
        assert is_alive(holder, "here") is True
        psutil.Process(child.pid).suspend()
        assert is_alive(holder, "here") is True
        psutil.Process(child.pid).resume()
        child.kill()
        until(lambda: not is_alive(holder, "here"), "killed, and not collected yet")
        assert is_alive(holder, "here") is False


def test_a_reused_pid_is_another_process() -> None:
    own = this_process("here")
    assert is_alive(own, "here") is True
    assert is_alive(ProcessIdentity("here", own.pid, "another life"), "here") is False


def test_other_hosts_cannot_be_asked() -> None:
    assert is_alive(ProcessIdentity("there", 1, "x"), "here") is None
    assert process_birth(2**22 + 7) is None
    assert default_host_name() == default_host_name() and "-" in default_host_name()
