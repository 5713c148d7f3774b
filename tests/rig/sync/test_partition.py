"""A network that swallows everything, without a word to either side."""

import shutil
import subprocess
import sys

import pytest

SCRIPT = """
import logging, subprocess, sys, threading, time
from opticstream.rig.sync import SyncSettings, run_master, run_slave

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
link = lambda state: subprocess.run(["ip", "link", "set", "lo", state], check=True)
shared = {"port": 50001, "session_key": "k", "timeout_sec": 200, "ack_timeout_sec": 150}
master = SyncSettings(role="master", node_name="m", expected_slaves=2, **shared)
slaves = [SyncSettings(role="slave", node_name=n, master_host="127.0.0.1", retry_delay_sec=0.2, **shared) for n in "ab"]
here, lost, ends = threading.Event(), threading.Event(), {}

def watch(roster):
    for node in roster.nodes:
        {"ready": here, "lost": lost}.get(node.status, here).set()

link("up")
work = {"m": lambda: run_master(master, "name", on_roster=watch)}
work |= {s.node_name: lambda s=s: run_slave(s) for s in slaves}
threads = {n: threading.Thread(target=lambda n=n: ends.update({n: work[n]().session_name})) for n in work}
threads["m"].start(), threads["a"].start()
assert here.wait(60)
link("down")
began = time.monotonic()
assert lost.wait(60), "nobody noticed"
print("noticed after", round(time.monotonic() - began, 1))
link("up")
threads["b"].start()
for thread in threads.values():
    thread.join(100)
assert ends == dict.fromkeys("mab", "name"), ends
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces")
def test_a_slave_behind_a_dead_network_is_noticed_and_comes_back():
    """W26: no end of the connection is ever told; both sides' keep-alive has to find out."""
    alone = ["unshare", "--map-root-user", "--net"]
    if not (shutil.which("unshare") and shutil.which("ip")) or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("no network namespaces here")
    done = subprocess.run([*alone, sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "noticed after" in done.stdout
