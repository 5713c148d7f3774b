"""What used to go wrong in a session sync (W17 to W26), on real sockets."""

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from opticstream.rig.sync import BarrierFailed, run_master
from support.old_sync import Running
from support.peers import free_port
from support.sync_bench import NAME, Hurry, answer
from support.waiting import until

PROMPT_S = 30.0
"""Far below the deadlines of the barriers here, far above what a busy machine needs."""


def test_everybody_goes_on_with_the_same_name_and_knows_who_was_there(bench, released):
    rosters = []
    master = bench.master(3, run={"on_roster": rosters.append})
    slaves = [bench.slave(node) for node in ("imaging", "camera", "harp")]
    result = master.done()
    released(result, *(slave.done() for slave in slaves))
    assert sorted(node.name for node in result.roster.nodes) == ["camera", "harp", "imaging"]
    assert result.roster.missing == 0 and result.roster.missed == ()
    assert result.handshake_s < result.waited_s < PROMPT_S
    assert rosters[-1] == result.roster
    assert json.loads(json.dumps(result.as_dict()))["roster"]["nodes"][0]["status"] == "released"


def test_slaves_may_be_started_first(bench, released):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as nobody:
        slave = bench.slave("imaging", port=port)
        nobody.accept()[0].close()
    master = Running(lambda: run_master(bench.master_settings(port=port), NAME))
    released(master.done(), slave.done())


@pytest.mark.parametrize("host", ["::1", "::", "localhost", "0.0.0.0"])
def test_ipv6_and_names(bench, released, host):
    """W26."""
    port = free_port()
    master = Running(lambda: run_master(bench.master_settings(2, port=port, bind_host=host), NAME))
    hosts = {"::": ["::1", "127.0.0.1"], "0.0.0.0": ["127.0.0.1"] * 2}.get(host, [host, host])
    slaves = [bench.slave(f"s{number}", port=port, master_host=to) for number, to in enumerate(hosts)]
    released(master.done(), *(slave.done() for slave in slaves))


def test_silent_trickling_and_lying_peers_cost_nobody_anything(bench, released):
    """W18, W20, W22: the barrier is done long before any of them is timed out."""
    master = bench.master(2, ack_timeout_sec=60)
    for _ in range(5):
        bench.connect()
    trickle = bench.connect(b'{"session_key"')
    stop = threading.Event()

    def drip():
        try:
            while not stop.wait(0.02):
                trickle.sendall(b" ")
        except OSError:
            pass

    dripping = Running(drip)
    liars = [
        bench.connect(line)
        for line in (
            b"[]\n",
            b"1\n",
            b"null\n",
            b'"x"\n',
            b"NaN\n",
            b"\xff\xfe\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\n",
            b"[" * 16_000 + b"\n",
            b"9" * 16_000 + b"\n",
            b"x" * 100_000,
        )
    ]
    early = bench.connect(bench.ready("early"), {"status": "ack", "session_name": NAME, "node_name": "early"})
    assert answer(early)["reason"] == "invalid_message"
    for liar in liars[:-1]:
        assert answer(liar)["reason"] == "invalid_message"
    began = time.monotonic()
    slaves = [bench.slave(node) for node in ("imaging", "camera")]
    result = master.done()
    released(result, *(slave.done() for slave in slaves))
    assert time.monotonic() - began < PROMPT_S
    assert any("JSON" in refusal.reason for refusal in result.roster.refused)
    stop.set()
    dripping.done()


def test_a_silent_peer_is_dropped_when_its_answer_was_due(bench, released):
    hurry = Hurry()
    master = bench.master(1, timeout_sec=1e6, run={"stop": hurry})
    silent, trickling = bench.connect(), bench.connect(b'{"session')
    hurry.on = True
    assert answer(silent)["reason"] == "answer_timeout"
    assert answer(trickling)["reason"] == "answer_timeout"
    hurry.on = False
    mute = bench.connect(bench.ready("mute"))
    assert answer(mute)["status"] == "announce"
    hurry.on = True
    late = answer(mute)
    hurry.on = False
    assert (late["reason"], late["retry"]) == ("answer_timeout", True), "it may come back, as one that died may"
    slave = bench.slave("imaging")
    result = master.done()
    released(result, slave.done())
    assert {node.name: node.status for node in result.roster.nodes} == {"mute": "lost", "imaging": "released"}


def test_an_early_slave_is_not_thrown_out_because_another_is_late(bench, released):
    """D1: waiting for the others is no overdue answer."""
    hurry, here = Hurry(), threading.Event()
    master = bench.master(2, timeout_sec=1e6, run={"stop": hurry, "on_roster": lambda r: r.nodes and here.set()})
    early = bench.slave("early")
    assert here.wait(60)
    hurry.past(100)
    late = bench.slave("late")
    released(master.done(), early.done(), late.done())


@pytest.mark.parametrize("when", ["ready", "announced", "acked"])
def test_a_slave_that_dies_may_come_back(bench, released, when):
    """W19, W25."""
    master = bench.master(2)
    dies = bench.connect(bench.ready("imaging"))
    other = bench.slave("camera") if when != "ready" else None
    if when != "ready":
        assert answer(dies)["status"] == "announce"
    if when == "acked":
        blocked = bench.connect(bench.ready("x"))
        assert answer(blocked)["reason"] == "session_full"
    # An RST, as a killed process with unread data sends it.
    dies.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    dies.close()
    other = other or bench.slave("camera")
    back = bench.slave("imaging")
    result = master.done()
    released(result, other.done(), back.done())
    assert result.roster.missed == ()


def test_a_process_killed_after_ready_is_replaced_by_its_next_start(bench, released):
    master = bench.master(2)
    script = (
        "import sys\n"
        "from opticstream.rig.sync import SyncSettings, run_slave\n"
        "run_slave(SyncSettings.model_validate_json(sys.argv[1]), on_roster=lambda r: print(r, flush=True))\n"
    )
    settings = bench.slave_settings("imaging").model_dump_json(by_alias=True)
    with subprocess.Popen([sys.executable, "-c", script, settings], stdout=subprocess.PIPE, text=True) as process:
        while "ready" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    again, other = bench.slave("imaging"), bench.slave("camera")
    released(master.done(), again.done(), other.done())


def test_the_total_deadline_holds_with_peers_of_every_kind_and_all_learn_why(bench):
    """W21, W22, W24."""
    hurry, joined = Hurry(), threading.Event()

    def watch(roster):
        ready = {node.name for node in roster.nodes if node.status == "ready"}
        if ready == {"old", "imaging"} and roster.refused and len(roster.nodes) == 3:
            joined.set()

    master = bench.master(4, ack_timeout_sec=1000, run={"stop": hurry, "on_roster": watch})
    bench.connect()
    bench.connect(b'{"session_')
    gone = bench.connect(bench.ready("harp"))
    old = bench.connect(bench.ready("old"))
    wrong = bench.slave("wrong", session_key="mouse9")
    here = bench.slave("imaging")
    with pytest.raises(BarrierFailed, match="session_key_mismatch"):
        wrong.done()
    gone.close()
    assert joined.wait(60)
    hurry.on = True
    with pytest.raises(BarrierFailed) as failed:
        master.done()
    result = failed.value.result
    assert 90 <= result.waited_s < 100 + PROMPT_S
    assert result.outcome == "failed" and result.session_name is None
    for text in (
        "2 missing; 2 of 4 slaves here: old, imaging",
        "lost: harp (the connection ended)",
        "wrong (session_key_mismatch",
    ):
        assert text in str(failed.value)
    with pytest.raises(BarrierFailed, match=r"the master gave up: timed out after 90 s: 2 missing"):
        here.done()
    assert "timed out" in answer(old)["detail"]


def test_a_slave_without_a_master_gives_up_in_time_and_says_where_it_looked(bench, caplog, monkeypatch):
    monkeypatch.setattr("opticstream.rig.sync.roster_feed.STATUS_EVERY_S", 0.05)
    port, hurry = free_port(), Hurry()
    slave = bench.slave("imaging", port=port, run={"stop": hurry})
    until(lambda: "refused" in caplog.text)
    hurry.on = True
    with pytest.raises(BarrierFailed, match=rf"timed out after 90 s: no master at 127.0.0.1:{port}: .*refused"):
        slave.done()
    with pytest.raises(BarrierFailed, match=r"no master at no-such-host.invalid"):
        bench.slave("imaging", master_host="no-such-host.invalid", timeout_sec=0.5).done()


def test_a_slave_says_so_when_what_answers_is_no_master(bench):
    slave = bench.slave("imaging")
    connection, _ = bench.listener.accept()
    with connection:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        with pytest.raises(BarrierFailed, match="no session sync master"):
            slave.done()


def test_the_same_node_name_twice_is_refused(bench, released):
    """W23: one rig started twice is not two rigs; its twin waits in case the first is dead."""
    master = bench.master(2)
    first = bench.connect(bench.ready("imaging"))
    twin = bench.connect(bench.ready("imaging"))
    said = answer(twin)
    assert (said["reason"], said["retry"]) == ("duplicate_node_name", True)
    slave = bench.slave("imaging")
    time.sleep(0.2)
    first.close()
    other = bench.slave("camera")
    released(master.done(), slave.done(), other.done())


def test_a_node_replaces_its_own_dead_connection(bench, released):
    master = bench.master(2)
    dead = bench.connect(bench.ready("imaging", protocol=2, node_id="one"))
    alive = bench.connect(bench.ready("imaging", protocol=2, node_id="one"))
    assert answer(dead) == {}
    other = bench.slave("camera")
    assert answer(alive)["status"] == "announce"
    alive.sendall(json.dumps({"status": "ack", "session_name": NAME, "node_name": "imaging"}).encode() + b"\n")
    assert answer(alive)["status"] == "complete"
    alive.sendall(b'{"status":"released"}\n')
    released(master.done(), other.done())


def test_a_slave_that_misses_the_release_is_reported(bench, released):
    """W25: the others have gone on; whoever reads the result must know."""
    hurry, here = Hurry(), threading.Event()

    def watch(roster):
        if any((node.name, node.status) == ("camera", "released") for node in roster.nodes):
            here.set()

    master = bench.master(2, run={"stop": hurry, "on_roster": watch})
    deaf = bench.connect(bench.ready("deaf", protocol=2))
    other = bench.slave("camera")
    assert answer(deaf)["status"] == "announce"
    deaf.sendall(json.dumps({"status": "ack", "session_name": NAME}).encode() + b"\n")
    assert answer(deaf)["status"] == "complete"
    assert here.wait(60)
    hurry.on = True
    result = master.done()
    released(result, other.done())
    assert result.roster.missed == ("deaf",)
    assert result.as_dict()["missed"] == ["deaf"]


def test_a_slave_that_lost_its_release_gets_it_again(bench, released):
    master = bench.master(1)
    cut = bench.connect(bench.ready("imaging", protocol=2, node_id="one"))
    assert answer(cut)["status"] == "announce"
    cut.sendall(json.dumps({"status": "ack", "session_name": NAME}).encode() + b"\n")
    cut.close()
    slave = bench.slave("imaging")
    result = master.done()
    released(result, slave.done())
    assert result.roster.missed == ()


def test_with_a_secret_only_those_who_know_it_take_part(bench, released):
    """W17."""
    master = bench.master(2, secret="correct horse")
    with pytest.raises(BarrierFailed, match="authentication_required"):
        bench.slave("none").done()
    with pytest.raises(BarrierFailed, match="another session_sync_secret"):
        bench.slave("guess", secret="wrong horse").done()
    replay = bench.connect(bench.ready("replay", auth_nonce="n", protocol=2))
    assert answer(replay)["status"] == "challenge"
    replay.sendall(json.dumps(bench.ready("replay", auth_proof="0" * 64)).encode() + b"\n")
    assert answer(replay)["reason"] == "authentication_failed"
    slaves = [bench.slave(node, secret="correct horse") for node in ("imaging", " camera")]
    result = master.done()
    released(result, *(slave.done() for slave in slaves))
    assert "horse" not in json.dumps(result.as_dict())


def test_a_slave_with_a_secret_refuses_a_master_without(bench):
    stopped = threading.Event()
    master = bench.master(1, run={"stop": stopped.is_set})
    with pytest.raises(BarrierFailed, match="authentication_unavailable"):
        bench.slave("imaging", secret="correct horse").done()
    stopped.set()
    with pytest.raises(BarrierFailed):
        master.done()
