"""``opticstream sync`` from two terminals."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.api import ask_api
from support.command import PATIENCE_S, command_environment, command_line, run_command


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def begin(home: Path, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command_line("sync", *arguments),
        env=command_environment(home, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def master(home: Path, port: int, *more: object, **environment: str) -> "subprocess.Popen[str]":
    return begin(home, "master", "--port", port, "--expected-slaves", 1, "--session-key", "m1", *more, **environment)


def slave(home: Path, port: int, *more: object, key: str = "m1", **environment: str) -> "subprocess.Popen[str]":
    options = ("--port", port, "--master-host", "127.0.0.1", "--session-key", key)
    return begin(home, "slave", *options, *more, **environment)


def ended(process: "subprocess.Popen[str]", expect: int) -> tuple[str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == expect, (process.returncode, out, err)
    return out, err


def test_both_terminals_end_with_the_agreed_name(home: Path) -> None:
    port = free_port()
    both = [master(home, port, "--session-name", "m1/first"), slave(home, port, "--node-name", "imaging")]
    outs = [ended(process, 0) for process in both]
    assert [out.splitlines()[-1] for out, _ in outs] == ["m1_first"] * 2
    assert "imaging" in outs[0][1] and "session_sync_bind_host" in outs[0][1]
    assert not home.exists(), "it needs no server and writes nothing"


def test_json_is_one_object_on_either_side_with_a_secret(home: Path) -> None:
    port, secret = free_port(), {"OPTICSTREAM_SESSION_SYNC_SECRET": "hunter2"}
    both = [master(home, port, "--json", **secret), slave(home, port, "--json", "--node-name", "imaging", **secret)]
    outs = [ended(process, 0) for process in both]
    results = [json.loads(out) for out, _ in outs]
    assert results[0]["session_name"] == results[1]["session_name"] and results[0]["session_name"].startswith("m1_2")
    assert results[0]["roster"]["nodes"][0]["name"] == "imaging"
    assert "hunter2" not in "".join(out + err for out, err in outs)


def test_a_wrong_key_fails_on_both_sides_with_a_reason(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        wrong = slave(home, port, "--retry-delay-sec", 0.1, key="m9")
        listener.accept()[0].close()  # it runs; the master's time shall not be over before that
    alone = master(home, port, "--timeout-sec", 8, "--json")
    out, err = ended(wrong, 1)
    assert out == "" and "session_key_mismatch" in err
    out, err = ended(alone, 1)
    assert json.loads(out)["outcome"] == "failed" and "session_key_mismatch" in json.loads(out)["reason"]
    assert "error: " in err and "1 missing" in err.replace("\n", " ")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_with_130(number: str, home: Path) -> None:
    process = master(home, free_port(), "--json", "--timeout-sec", 10 * PATIENCE_S)
    assert process.stderr is not None
    assert any("listens" in line for line in process.stderr)
    process.send_signal(getattr(signal, number))
    out, _ = ended(process, 130)  # long before its own time is over
    assert json.loads(out)["outcome"] == "interrupted"


def test_options_that_cannot_be_used(home: Path) -> None:
    environment = command_environment(home)
    options = ("--port", 50_001, "--session-key", "", "--expected-slaves", 1)
    done = run_command(environment, "sync", "master", *options, "--timeout-sec", -1, expect=2)
    assert "session_sync_session_key" in done.stderr and "session_sync_timeout_sec" in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    run_command(environment, "sync", "master", "--port", 0, "--session-key", "k", "--expected-slaves", 1, expect=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ("--port", taken.getsockname()[1], "--session-key", "k", "--expected-slaves", 1)
        assert "in use" in run_command(environment, "sync", "master", *options, expect=1).stderr


def test_a_barrier_is_a_flow_run_where_an_api_answers(home: Path, server: str) -> None:
    """Also a barrier that fails, whose roster says who was missing; the name is printed all the same."""
    port, api = free_port(), {"PREFECT_API_URL": server}
    both = [
        master(home, port, "--node-name", "behavior-flow", "--session-name", "m1_flow", **api),
        slave(home, port, "--node-name", "imaging-flow", **api),
    ]
    assert [ended(process, 0)[0].splitlines()[-1] for process in both] == ["m1_flow"] * 2
    ended(master(home, port, "--node-name", "lonely-flow", "--timeout-sec", "0.5", **api), 1)

    def states(name: str) -> list[str]:
        body = {"flow_runs": {"name": {"any_": [name]}}}
        return [run["state_type"] for run in ask_api(server, "flow_runs/filter", body)]

    assert states("master behavior-flow") == states("slave imaging-flow") == ["COMPLETED"]
    assert states("master lonely-flow") == ["FAILED"]
    body = {"artifacts": {"key": {"any_": ["session-sync-m1-flow", "session-sync-lonely-flow"]}}}
    tables = {each["key"]: each["data"] for each in ask_api(server, "artifacts/filter", body)}
    assert '"imaging-flow"' in tables["session-sync-m1-flow"] and set(tables) == set(body["artifacts"]["key"]["any_"])
