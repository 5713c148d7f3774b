"""How a barrier ends and what it says: stopped, bypassed, warned, bounded."""

import logging
import signal
import subprocess
import sys
import threading
import time

import pytest

from opticstream.core.errors import BadInput, SyncFailed
from opticstream.rig.sync import BarrierFailed, SyncSettings, run_master, run_slave
from support.old_sync import Running
from support.peers import free_port
from support.sync_bench import KEY, NAME, answer

PROMPT_S = 30.0
"""Far below the deadlines of the barriers here, far above what a busy machine needs."""


def test_stop_ends_a_wait_and_the_slaves_learn_of_it(bench):
    stopped, here = threading.Event(), threading.Event()
    watch = {"on_roster": lambda roster: len(roster.nodes) == 2 and here.set()}
    master = bench.master(2, run={"stop": stopped.is_set, **watch})
    slave = bench.slave("imaging")
    waiting = bench.connect(bench.ready("old"))
    assert here.wait(60)
    began = time.monotonic()
    stopped.set()
    with pytest.raises(BarrierFailed) as failed:
        master.done()
    assert failed.value.result.outcome == "interrupted"
    with pytest.raises(BarrierFailed, match="the master gave up: stopped"):
        slave.done()
    assert answer(waiting) != {}
    assert time.monotonic() - began < PROMPT_S


def test_a_bypass_needs_to_be_allowed(bench):
    wanted = threading.Event()
    wanted.set()
    with pytest.raises(BarrierFailed, match="timed out"):
        bench.slave("imaging", timeout_sec=0.4, run={"bypass": wanted.is_set}).done()
    result = bench.slave("imaging", allow_bypass=True, run={"bypass": wanted.is_set}).done()
    assert (result.outcome, result.session_name) == ("bypassed", None)
    result = bench.master(1, allow_bypass=True, run={"bypass": wanted.is_set}).done()
    assert (result.outcome, result.session_name) == ("bypassed", NAME)


def test_a_roster_that_is_shown_slowly_or_badly_holds_up_nobody(bench, released, caplog):
    going = threading.Event()
    rosters = []

    def slow(roster):
        rosters.append(roster)
        going.wait(60)

    def broken(roster):
        raise ValueError("no such window")

    master = bench.master(2, run={"on_roster": slow})
    slaves = [bench.slave("imaging", run={"on_roster": broken}), bench.slave("camera")]
    result = master.done()
    released(result, *(slave.done() for slave in slaves))
    assert result.waited_s < PROMPT_S
    assert "can no longer be shown" in caplog.text
    going.set()


def test_a_port_in_use_is_said_at_once(bench):
    with pytest.raises(SyncFailed, match=f"port {bench.port} of 127.0.0.1 is in use"):
        run_master(bench.master_settings(), NAME)
    with pytest.raises(BadInput, match="session_sync_bind_host"):
        run_master(bench.master_settings(bind_host="no-such-host.invalid"), NAME)
    with pytest.raises(BadInput, match="session_sync_bind_host"):
        run_master(bench.master_settings(bind_host="192.0.2.1"), NAME)
    with pytest.raises(BadInput, match="session_sync_role"):
        run_slave(bench.master_settings())


def test_who_listens_to_everybody_without_a_secret_is_warned(bench, caplog):
    caplog.set_level(logging.INFO, "opticstream.rig.sync")
    port = free_port()
    for host, says in (("0.0.0.0", "session_sync_secret"), ("127.0.0.1", "session_sync_bind_host changes that")):
        caplog.clear()
        with pytest.raises(BarrierFailed):
            run_master(bench.master_settings(port=port, bind_host=host, timeout_sec=0.05), NAME)
        assert says in caplog.text
        assert ("session_sync_secret" in caplog.text) == (host == "0.0.0.0")


def test_the_address_is_free_again_after_a_barrier(bench, released):
    for number in range(3):
        port = free_port()
        for _ in range(2):
            master = Running(lambda port=port: run_master(bench.master_settings(port=port), NAME))
            slave = bench.slave(f"s{number}", port=port)
            released(master.done(), slave.done())


def test_a_crowd_of_silent_connections_is_bounded(bench, released):
    master = bench.master(1)
    crowd = [bench.connect() for _ in range(120)]
    assert answer(crowd[0])["reason"] == "too_many_connections"
    slave = bench.slave("imaging")
    released(master.done(), slave.done())


def test_it_runs_on_no_loop_but_its_own(bench):
    import asyncio

    async def inside():
        run_slave(bench.slave_settings("imaging"))

    with pytest.raises(RuntimeError, match="slave_barrier"):
        asyncio.run(inside())


def test_settings_of_the_other_role_are_not_run(bench):
    settings = SyncSettings(role="slave", port=1, session_key=KEY, node_name="x")
    with pytest.raises(BadInput):
        run_slave(settings)


def test_what_is_waited_for_is_repeated_with_the_way_out(bench, caplog, monkeypatch):
    monkeypatch.setattr("opticstream.rig.sync.roster_feed.STATUS_EVERY_S", 0.1)

    def lines():
        return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    with pytest.raises(BarrierFailed, match="stopped"):
        run_master(bench.master_settings(2, port=free_port()), NAME, stop=lambda: len(lines()) >= 3)
    assert all("0 of 2 slaves here" in text and "session_sync_bind_host changes that" in text for text in lines())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_a_master_in_the_main_thread_and_tells_its_slaves(bench):
    port = free_port()
    script = (
        "import sys\nfrom opticstream.rig.sync import *\nrun_master(SyncSettings.model_validate_json(sys.argv[1]), 'n')"
    )
    settings = bench.master_settings(2, port=port).model_dump_json(by_alias=True)
    with subprocess.Popen([sys.executable, "-c", script, settings], stderr=subprocess.PIPE, text=True) as process:
        here = threading.Event()
        slave = bench.slave("imaging", port=port, run={"on_roster": lambda roster: roster.nodes and here.set()})
        assert here.wait(60)
        process.send_signal(signal.SIGINT)
        with pytest.raises(BarrierFailed, match="the master gave up: interrupted"):
            slave.done()
        assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
