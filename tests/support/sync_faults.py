"""Barriers on real sockets, many at once, between processes' worth of faults: late, dead, back, cut, trickling, lying."""

import asyncio
import json
import random
import socket
import uuid
from collections import Counter
from collections.abc import Iterable

from opticstream.rig.sync import BarrierFailed, SyncResult, SyncSettings, master_barrier, slave_barrier
from opticstream.rig.sync.accepting import Acceptor
from support.sync_bench import NAME

_LONGEST_S = 1.2


class Cable:
    """A way to the master that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._closing: set[asyncio.StreamWriter] = set()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._acceptor = Acceptor(listener, lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._carry))

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def remove(self) -> None:
        await self._acceptor.close()
        await asyncio.sleep(0)  # until what was just accepted is carried
        self.cut()
        for writer in self._closing:  # whose last bytes nobody takes any more
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._open |= ends
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ends.add(far_writer)
            self._open |= ends
            await asyncio.wait(
                [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))],
            )
        except OSError:
            pass
        finally:
            self._open -= ends
            self._closing |= ends
            for end in ends:
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(4096):
            writer.write(data)
    except OSError:
        pass
    finally:
        if not writer.transport.is_closing():
            writer.transport.close()


async def _lie(port: int, key: str, chance: random.Random) -> None:
    """Connect, misbehave, hang about."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return
    try:
        ready = {"session_key": key, "state": "ready", "node_name": "liar"}
        for _ in range(chance.randint(0, 4)):
            lines = (
                b"[]\n",
                b"\x00\xff\n",
                b"z" * 40_000,
                json.dumps(ready | {"session_key": "x"}).encode() + b"\n",
                json.dumps(ready | {"state": "steady"}).encode() + b"\n",
                b'{"session_',
                b'{"status":"ack","session_name":"x"}\n',
            )
            writer.write(chance.choice(lines))
            await asyncio.sleep(chance.uniform(0, 0.1))
    finally:
        if chance.random() < 0.5:
            writer.transport.abort()
        writer.close()


async def _life(settings: SyncSettings, chance: random.Random, dies: bool, died: set[str]) -> SyncResult | None:
    """Be one slave's process; one that dies does so at any moment, perhaps to be started again."""
    while True:
        process = asyncio.create_task(slave_barrier(settings))
        if not dies:
            try:
                return await process
            except BarrierFailed as failed:
                return failed.result
        await asyncio.sleep(chance.uniform(0, 0.3))
        if process.done():
            return process.result() if process.exception() is None else None
        process.cancel()
        died.add(settings.node_name)
        await asyncio.wait([process])
        if chance.random() < 0.4:
            return None
        dies = chance.random() < 0.3


async def _schedule(seed: int) -> str:
    chance = random.Random(seed)
    number = chance.randint(1, 4)
    key = uuid.uuid4().hex  # a port that one barrier has left may be another's a moment later, of another process too
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    secret = chance.choice((None, "s"))
    master_settings = SyncSettings(
        role="master",
        port=port,
        session_key=key,
        node_name="m",
        expected_slaves=number,
        timeout_sec=_LONGEST_S,
        ack_timeout_sec=chance.choice((0.3, 1.5)),
        secret=secret,
    )

    async def master() -> SyncResult:
        try:
            return await master_barrier(master_settings, NAME, listener=listener)
        except BarrierFailed as failed:
            return failed.result

    cables = [Cable(port) for _ in range(number)]

    died: set[str] = set()

    async def slave(index: int) -> SyncResult | None:
        await asyncio.sleep(chance.choice((0, 0, chance.uniform(0, 0.5))))
        settings = SyncSettings(
            role="slave",
            port=cables[index].port,
            session_key=key,
            node_name=f"s{index}",
            master_host="127.0.0.1",
            timeout_sec=_LONGEST_S + 0.5,
            ack_timeout_sec=5,
            retry_delay_sec=0.1,
            secret=secret,
        )
        return await _life(settings, chance, chance.random() < 0.25, died)

    async def faults() -> None:
        for _ in range(chance.randint(0, 6)):
            await asyncio.sleep(chance.uniform(0, 0.15))
            if chance.random() < 0.5:
                chance.choice(cables).cut()
            else:
                await _lie(port, key, chance)

    ends = await asyncio.gather(master(), faults(), *(slave(index) for index in range(number)))
    for cable in cables:
        await cable.remove()
    result: SyncResult = ends[0]  # type: ignore[assignment]
    _check(result, {f"s{index}": end for index, end in enumerate(ends[2:])}, died)
    return result.outcome


def _check(master: SyncResult, slaves: dict[str, SyncResult | None], died: set[str]) -> None:
    status = {node.name: node.status for node in master.roster.nodes}
    assert all(name.startswith("s") for name in status), status
    for name, slave in slaves.items():
        if slave is None:
            continue
        assert slave.reason or slave.outcome == "released"
        if master.outcome == "failed":
            assert slave.session_name is None, "one goes on though the barrier failed"
        elif slave.outcome == "failed":
            # One that was started anew after its first life had been released waits in vain.
            assert status[name] == "missed" or name in died, (status, slave)
        else:
            assert slave.session_name == master.session_name == NAME
    if master.outcome == "failed":
        assert "timed out" in master.reason
    else:
        assert len([name for name, found in status.items() if found in ("released", "missed")]) == len(slaves)


async def _all(seeds: Iterable[int], together: int) -> Counter[str]:
    room = asyncio.Semaphore(together)

    async def one(seed: int) -> str:
        try:
            async with room:
                return await _schedule(seed)
        except AssertionError:
            print(f"seed {seed}")
            raise

    ends = await asyncio.gather(*map(one, seeds), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return Counter(end for end in ends if isinstance(end, str))


def real_schedules(seeds: Iterable[int], together: int = 50) -> Counter[str]:
    """Run a barrier for each seed, so many at once; return how often they ended how."""
    return asyncio.run(_all(seeds, together))
