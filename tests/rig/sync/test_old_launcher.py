"""A rig that still runs the old launcher takes part, on either side."""

import threading

import pytest

from opticstream.rig.sync import BarrierFailed
from support.old_sync import Running, old_master, old_slave
from support.sync_bench import KEY, NAME, answer


def test_old_slaves_join_our_master(bench, released):
    master = bench.master(3)
    slaves = [Running(lambda node=node: old_slave(bench.port, KEY, node)) for node in ("imaging", "camera")]
    own = bench.slave("harp")
    assert [slave.done() for slave in slaves] == [NAME, NAME]
    result = master.done()
    released(result, own.done())
    assert {node.name: node.status for node in result.roster.nodes} == dict.fromkeys(
        ("imaging", "camera", "harp"), "released"
    )
    nodes = {node.name: node for node in result.roster.nodes}
    assert nodes["imaging"].clock_offset_s is None
    assert abs(nodes["harp"].clock_offset_s) <= nodes["harp"].clock_uncertainty_s + 0.01  # both have this clock


def test_our_slaves_join_an_old_master(bench, released):
    master = Running(lambda: old_master(bench.listener, KEY, NAME, 2))
    slaves = [bench.slave(node) for node in ("imaging", "camera")]
    assert sorted(master.done()) == ["camera", "imaging"]
    results = [slave.done() for slave in slaves]
    released(*results)
    assert results[0].clock_offset_s is None


def test_an_old_slave_without_a_node_name_is_called_by_its_address(bench, released):
    master = bench.master(1)
    assert Running(lambda: old_slave(bench.port, KEY, None)).done() == NAME
    result = master.done()
    released(result)
    assert result.roster.nodes[0].name.startswith("127.0.0.1:")


def test_the_lines_an_old_slave_sees_are_those_of_the_facts(bench):
    master = bench.master(1)
    connection = bench.connect(bench.ready("imaging"))
    assert answer(connection) == {
        "status": "announce",
        "session_key": KEY,
        "session_name": NAME,
        "expected_slaves": 1,
        "master": "stage",
    }
    connection.sendall(b'{"status":"ack","session_name":"%s","node_name":"imaging"}\n' % NAME.encode())
    assert answer(connection) == {"status": "complete", "session_name": NAME}
    assert answer(connection) == {}
    assert master.done().session_name == NAME


def test_an_old_slave_with_another_key_gets_the_old_reason(bench):
    stopped = threading.Event()
    master = bench.master(1, run={"stop": stopped.is_set})
    with pytest.raises(RuntimeError, match="session_key_mismatch"):
        Running(lambda: old_slave(bench.port, "mouse9", "imaging")).done()
    wrong = bench.connect({"session_key": KEY, "state": "steady", "node_name": "imaging"})
    assert answer(wrong)["reason"] == "invalid_state"
    stopped.set()
    with pytest.raises(BarrierFailed) as failed:
        master.done()
    refused = [(each.name, each.reason.partition(":")[0]) for each in failed.value.result.roster.refused]
    assert refused == [("imaging", "session_key_mismatch"), ("imaging", "invalid_state")]


def test_our_slave_reports_the_old_masters_reason(bench):
    master = Running(lambda: old_master(bench.listener, "mouse9", NAME, 1))
    with pytest.raises(BarrierFailed, match="session_key_mismatch"):
        bench.slave("imaging").done()
    assert bench.slave("harp", session_key="mouse9").done().session_name == NAME
    assert master.done() == ["harp"]


@pytest.mark.parametrize("name", ["../../evil", "/etc", "C:evil", "..", "", "a\nb", "CON", "a" * 300, None, 7])
def test_a_name_that_would_leave_the_root_is_refused(bench, name):
    """W17: whoever owns the port could choose the folder."""
    master = Running(lambda: old_master(bench.listener, KEY, name, 1))
    with pytest.raises(BarrierFailed, match="cannot be a folder's name"):
        bench.slave("imaging").done()
    with pytest.raises(RuntimeError, match="session_name_refused"):
        master.done()
