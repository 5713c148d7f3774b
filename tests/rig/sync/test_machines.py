"""The machines of both sides alone: messages in, messages out."""

import json
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opticstream.rig.sync import Connect, Drop, Finish, MasterMachine, Send, SlaveMachine, SyncSettings
from opticstream.rig.sync.wire import MAX_LINE, BadLine, LineBuffer, decode, encode, printable, seconds_of
from support.sync_network import NAME

READY = {"session_key": "k", "state": "ready", "role": "slave"}
ACK = {"status": "ack", "session_name": NAME}


def line(message):
    return json.dumps(message).encode()


def master(slaves=2, **more):
    values = {"role": "master", "port": 1, "session_key": "k", "node_name": "m", "expected_slaves": slaves}
    return MasterMachine(SyncSettings(**values | more), NAME, now=0.0, epoch=1e9)


def slave(**more):
    values = {"role": "slave", "port": 1, "session_key": "k", "node_name": "s", "master_host": "h"}
    return SlaveMachine(SyncSettings(**values | more), now=0.0, epoch=1e9, node_id="id")


def join(machine, number, node, now=0.0, **more):
    assert machine.connected(number, f"1.2.3.4:{number}", now) == []
    return machine.received(number, line(READY | {"node_name": node} | more), now)


def reasons(effects):
    return [(effect.peer, effect.message["reason"]) for effect in effects if isinstance(effect, Drop)]


def test_announce_when_all_are_ready_and_release_when_all_have_acknowledged():
    machine = master(2)
    assert join(machine, 1, "a") == []
    announced = join(machine, 2, "b", 1.0)
    assert [(effect.peer, effect.message["status"]) for effect in announced] == [(1, "announce"), (2, "announce")]
    assert machine.received(1, line(ACK), 1.1) == []
    released = machine.received(2, line(ACK), 1.2)
    assert [(effect.peer, effect.message) for effect in released] == [
        (number, {"status": "complete", "session_name": NAME}) for number in (1, 2)
    ]
    assert machine.closed(1, 1.3) == []
    assert machine.closed(2, 1.3) == [Finish("released")]


def test_deadlines_are_data():
    machine = master(2, timeout_sec=120, ack_timeout_sec=30)
    assert machine.deadline == 120
    machine.connected(1, "a", 10.0)
    assert machine.deadline == 40
    machine.received(1, line(READY | {"node_name": "a"}), 11.0)
    assert machine.deadline == 120, "a node that waits for others owes no answer"
    join(machine, 2, "b", 20.0)
    assert machine.deadline == 50
    assert reasons(machine.time(50.0)) == [(1, "answer_timeout"), (2, "answer_timeout")]
    assert machine.time(119.9) == []
    assert machine.time(120.0) == [Finish("failed")]
    assert "a (no acknowledgement within 30 s)" in machine.reason


def test_a_master_that_stood_still_over_the_deadline_releases_nobody():
    """The last acknowledgement was there in time, but who sent it has waited for the answer and gone."""
    machine, waits = master(1, timeout_sec=20), slave(timeout_sec=20)
    waits.time(0.0)
    waits.connected(1, 0.0)
    (announced,) = join(machine, 1, "s", protocol=2, node_id="id")
    (ack,) = waits.received(1, encode(announced.message).rstrip(), 0.0)
    waits.time(waits.deadline)
    effects = machine.received(1, encode(ack.message).rstrip(), 25.0)
    assert (waits.outcome, machine.outcome, effects[-1]) == ("failed", "failed", Finish("failed"))
    assert "timed out after 20 s" in machine.reason and machine.released_at is None


def test_a_slave_that_owed_an_answer_comes_again():
    """Its computer stood still: it is no worse than one that was killed and started anew."""
    machine, late = master(1, ack_timeout_sec=10), slave(retry_delay_sec=1)
    assert late.time(0.0) == [Connect(1)]
    assert late.connected(1, 0.0) != []
    (announced,) = join(machine, 1, "s", protocol=2, node_id="id")
    assert late.received(1, encode(announced.message).rstrip(), 0.0) != []
    (turned_away,) = machine.time(10.0)
    late.received(1, encode(turned_away.message).rstrip(), 10.0)
    assert (late.outcome, late.time(11.0)) == (None, [Connect(2)])
    (again,) = join(machine, 2, "s", 11.0, protocol=2, node_id="id")
    assert again.message["status"] == "announce"


def test_a_place_that_became_free_is_announced_at_once():
    machine = master(2)
    join(machine, 1, "a")
    join(machine, 2, "b")
    machine.received(1, line(ACK), 0.0)
    machine.closed(2, 1.0, "the cable")
    assert machine.received(1, b"", 1.0) != [] and machine.roster().missing == 2
    for number, node in ((3, "a"), (4, "c")):
        effects = join(machine, number, node, 2.0)
        assert effects[-1].message["status"] == "announce"
        effects = machine.received(number, line(ACK), 2.0)
    assert [effect.peer for effect in effects] == [3, 4]


def test_keys_are_compared_as_text():
    machine = master(1, session_key="123456")
    assert isinstance(join(machine, 1, "a", session_key=123456)[0], Send)
    assert reasons(join(machine, 2, "b", session_key=123457)) == [(2, "session_key_mismatch")]
    assert reasons(join(machine, 3, "b", session_key=True)) == [(3, "session_key_mismatch")]
    assert reasons(join(machine, 4, "b", session_key=None)) == [(4, "session_key_mismatch")]


def test_what_peers_say_of_themselves_is_made_printable():
    machine = master(2)
    join(machine, 1, "im\x1b[31maging\n" + "x" * 500)
    assert machine.roster().nodes[0].name == "im�[31maging�" + "x" * 187
    assert printable("\ud800\u2028") == "��"


def test_clock_offset_and_its_bound():
    machine = master(1)
    announce = join(machine, 1, "a", 100.0, protocol=2)
    assert announce[0].message["remaining_s"] == 20.0
    # The slave's clock is 7 s ahead; 0.3 s there, 0.1 s back, 0.5 s of its own.
    times = {"received_at": 1e9 + 107.3, "sent_at": 1e9 + 107.8}
    complete = machine.received(1, line(ACK | times), 100.9)
    assert complete[0].message["clock_offset_s"] == pytest.approx(7.1)
    assert complete[0].message["clock_uncertainty_s"] == pytest.approx(0.2)
    machine = master(1)
    join(machine, 1, "a", protocol=2)
    lies = {"received_at": 1e308, "sent_at": "soon"}
    assert "clock_offset_s" not in machine.received(1, line(ACK | lies), 0.1)[0].message


def test_abort_tells_everybody():
    machine = master(3)
    join(machine, 1, "a")
    machine.connected(2, "x", 0.0)
    effects = machine.abort("interrupted", "Ctrl+C", 1.0)
    assert reasons(effects) == [(1, "master_gave_up"), (2, "master_gave_up")]
    assert effects[-1] == Finish("interrupted")
    assert machine.abort("failed", "again", 2.0) == [] == machine.received(1, b"{}", 2.0) == machine.time(999.0)


def test_a_slave_connects_again_until_its_deadline():
    machine = slave(timeout_sec=10, retry_delay_sec=1)
    assert machine.time(0.0) == [Connect(1)]
    assert machine.closed(1, 0.5, "refused") == [] and machine.deadline == 1.5
    assert machine.time(1.5) == [Connect(2)]
    assert machine.connected(2, 1.6)[0].message["state"] == "ready"
    assert machine.deadline == 10
    machine.closed(2, 9.5)
    assert machine.time(10.0)[-1] == Finish("failed")
    assert "timed out after 10 s" in machine.reason and "closed the connection" in machine.reason


def test_a_slave_that_has_acknowledged_waits_for_the_masters_decision():
    machine = slave(timeout_sec=10)
    machine.time(0.0)
    machine.connected(1, 0.0)
    announce = {"status": "announce", "session_key": "k", "session_name": NAME, "protocol": 2, "remaining_s": 5.0}
    machine.received(1, line(announce), 9.0)
    assert machine.deadline == 15.0
    assert machine.abort("bypassed", "b", 9.5) == [], "the master may be releasing it now"
    assert machine.received(1, line({"status": "complete", "session_name": NAME}), 14.0)[-1] == Finish("released")
    assert machine.session_name == NAME


@pytest.mark.parametrize("remaining", [1e308, -1e308, None, "x", True, 1e400])
def test_a_master_cannot_keep_a_slave_for_ever(remaining):
    machine = slave(timeout_sec=10, ack_timeout_sec=3)
    machine.time(0.0)
    machine.connected(1, 0.0)
    announce = {"status": "announce", "session_key": "k", "session_name": NAME, "remaining_s": remaining}
    machine.received(1, encode(announce).replace(b"Infinity", b"1e999"), 9.0)
    assert 10.0 <= machine.deadline <= 12.0


def test_another_name_than_the_announced_is_not_adopted():
    machine = slave()
    machine.time(0.0)
    machine.connected(1, 0.0)
    machine.received(1, line({"status": "announce", "session_key": "k", "session_name": NAME}), 0.1)
    assert machine.received(1, line({"status": "complete", "session_name": "other"}), 0.2)[-1] == Finish("failed")
    assert machine.session_name is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["ready", "ack", "error", "announce", "complete", "challenge", "released", "k", NAME, "a", "b", 2, None]
)
FIELDS = st.sampled_from(
    [
        "session_key",
        "state",
        "role",
        "node_name",
        "status",
        "session_name",
        "protocol",
        "node_id",
        "auth_nonce",
        "auth_proof",
        "received_at",
        "sent_at",
        "remaining_s",
        "reason",
        "detail",
        "retry",
        "clock_offset_s",
    ]
)
MESSAGES = st.dictionaries(FIELDS, WORDS | JSON, max_size=8).map(lambda m: encode(m)[:-1]) | st.binary(max_size=40)
MESSAGES |= st.sampled_from([line(READY | {"node_name": node}) for node in "ab"] + [line(ACK)])


@given(
    st.lists(st.tuples(st.sampled_from("comct"), st.integers(1, 4), MESSAGES, st.floats(0, 5)), max_size=40),
    st.sampled_from([None, "secret"]),
)
@settings(max_examples=120, deadline=None)
def test_a_master_survives_whatever_arrives(events, secret):
    machine = master(2, timeout_sec=30, ack_timeout_sec=3, secret=secret)
    now, known, finished = 0.0, set(), 0
    for kind, number, message, step in events:
        now += step
        match kind:
            case "o" if number not in known:
                known.add(number)
                effects = machine.connected(number, f"host:{number}", now)
            case "m":
                effects = machine.received(number, message, now)
            case "c":
                effects = machine.closed(number, now)
            case _:
                effects = machine.time(now)
        finished += sum(isinstance(effect, Finish) for effect in effects)
        for effect in effects:
            if isinstance(effect, Send | Drop) and effect.message is not None:
                assert len(encode(effect.message)) <= MAX_LINE
        assert machine.roster().summary().isprintable()
    finished += sum(isinstance(effect, Finish) for effect in machine.time(now + 31) + machine.time(now + 40))
    assert finished == 1
    assert machine.outcome == "failed" or machine.released_at is not None


@given(st.lists(st.tuples(MESSAGES, st.floats(0, 3)), max_size=20), st.sampled_from([None, "secret"]))
@settings(max_examples=120, deadline=None)
def test_a_slave_survives_whatever_arrives(events, secret):
    machine = slave(timeout_sec=30, ack_timeout_sec=3, retry_delay_sec=0.5, secret=secret)
    now, number = 0.0, 0
    for message, step in events:
        now += step
        for effect in machine.time(now):
            if isinstance(effect, Connect):
                number = effect.peer
                machine.connected(number, now)
        machine.received(number, message, now)
    machine.time(now + 40)
    assert machine.outcome in ("released", "failed")
    assert (machine.session_name is None) == (machine.outcome == "failed")
    assert machine.reason or machine.outcome == "released"


@given(st.lists(st.binary(max_size=30).filter(lambda data: b"\n" not in data)), st.randoms(use_true_random=False))
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines, chance):
    stream = b"".join(item + b"\n" for item in lines) + b"rest"
    buffer, found = LineBuffer(), []
    while stream:
        size = chance.randint(1, 40)
        found += buffer.feed(stream[:size])
        stream = stream[size:]
    assert found == lines


@pytest.mark.parametrize("chunk", [1, 1000, 10**6])
def test_no_line_is_kept_beyond_its_limit(chunk):
    buffer = LineBuffer()
    assert buffer.feed(b"x" * MAX_LINE) == []
    assert buffer.feed(b"\n") == [b"x" * MAX_LINE]
    with pytest.raises(BadLine, match="16384 bytes"):
        for _ in range(MAX_LINE + 2):
            buffer.feed(b"x" * chunk)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_object_is_no_message(data):
    try:
        message = decode(data)
    except BadLine as error:
        assert str(error).isprintable()
    else:
        assert isinstance(message, dict) and decode(encode(message)[:-1]) == message
        for key in message:
            found = seconds_of(message, key)
            assert found is None or abs(found) < float("inf")


def test_deep_and_large_json_is_refused_not_crashed_on():
    for text in (b"[" * 16_000, b'{"a":' * 3000, b"9" * 5000, b'{"a":NaN}', b'{"a":-Infinity}', b"\xef\xbb\xbf{}"):
        with pytest.raises(BadLine):
            decode(text)


def test_a_thousand_slaves_cost_the_same_each():
    """Nothing in the machine looks at all connections for each message."""
    chance = random.Random(1)
    for slaves in (10, 1000):
        machine = master(slaves)
        for number in range(slaves):
            join(machine, number, "".join(chance.choices(string.ascii_letters, k=12)))
        for number in range(slaves):
            effects = machine.received(number, line(ACK), 1.0)
        assert len(effects) == slaves
