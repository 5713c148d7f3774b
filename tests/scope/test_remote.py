"""Strangers, nonsense and large things at the socket of a scope."""

import json
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.core.errors import BadInput
from opticstream.scope.remote import ScopeClient, ScopeServer, running_scopes
from opticstream.scope.remote.record import read_address

NONSENSE = st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode), st.just(b"[" * 100_000))


def answer(request):
    if request == {"do": "status"}:
        return {"well": Path("yes")}
    raise BadInput("request", found=f"{request!r:.80}", expected="status")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scopes")
    server = ScopeServer("one", folder, answer)
    yield folder
    server.close()
    assert running_scopes(folder) == []


def well(folder: Path) -> None:
    with ScopeClient("one", folder) as client:
        assert client.status() == {"well": "yes"}


def connected(folder: Path, key: bytes | None = None):
    """Connect with the scope's key, another, or (empty) without saying one."""
    found = read_address(folder / "one.json")
    return Client(found["address"], authkey=key or (bytes.fromhex(found["key"]) if key is None else None))


@settings(max_examples=60, deadline=None)
@given(NONSENSE)
def test_nonsense_is_answered_with_an_error(folder, said):
    with connected(folder) as connection:
        for request in (said, b'{"do": "status"}'):
            connection.send_bytes(request)
            reply = json.loads(connection.recv_bytes())
        assert reply == {"answer": {"well": "yes"}}


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_who_does_not_know_the_key_is_not_answered(folder, said):
    """A stranger says anything instead of the answer to the challenge."""
    with connected(folder, b"") as stranger, suppress(OSError, EOFError):
        stranger.recv_bytes()
        stranger.send_bytes(said)
        assert not stranger.recv_bytes().startswith(b"{")
    well(folder)


def test_another_key_is_refused(folder):
    with pytest.raises(AuthenticationError):
        connected(folder, b"another")
    well(folder)


def test_what_is_too_large_ends_the_connection_only(folder):
    with connected(folder) as connection, pytest.raises((OSError, EOFError)):
        connection.send_bytes(b" " * (2 << 20))
        connection.recv_bytes()
    well(folder)


def test_half_a_request_keeps_nobody_waiting(folder):
    with connected(folder) as connection:
        with suppress(AttributeError):
            connection._send(b"\x00\x00\x10\x00half")  # a length of 4096, and then nothing
        well(folder)
    well(folder)


def test_a_name_is_taken_while_its_process_runs(folder):
    with pytest.raises(BadInput, match="runs already"):
        ScopeServer("one", folder, answer)
    (folder / "gone.json").write_text(json.dumps({"pid": 2**22 + 7, "birth": "never", "address": "", "key": ""}))
    (folder / "cut.json").write_text('{"pid": 1')
    assert running_scopes(folder) == ["one"]
    for name in ("gone", "cut", "absent"):
        with pytest.raises(BadInput, match="no such scope running; expected one"):
            ScopeClient(name, folder)
    (folder / "gone.json").unlink()
    (folder / "cut.json").unlink()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "ü"])
def test_names_that_cannot_be_a_files(tmp_path, name):
    with pytest.raises(BadInput, match="scope's name"):
        ScopeServer(name, tmp_path, answer)
    assert not list(tmp_path.iterdir())
