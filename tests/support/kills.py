"""Random blows to processes that hold claims, from a seed that is printed and can be given again."""

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import Popen, TimeoutExpired

import psutil
from sqlalchemy import select

from opticstream.state import Database
from opticstream.state.tables import claims
from support.nursery import Nursling


def campaign_chance() -> random.Random:
    """Return the campaign's random numbers; OPTICSTREAM_TEST_SEED repeats one."""
    seed = int(os.environ.get("OPTICSTREAM_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"seed {seed}")
    return random.Random(seed)


def holding_pids(database: Database) -> set[int]:
    """Return the processes that hold a claim."""
    with database.peek() as connection:
        return set(connection.execute(select(claims.c.pid).where(claims.c.outcome.is_(None))).scalars())


def a_holder(
    database: Database, processes: Sequence[Popen[bytes] | Nursling], chance: random.Random, wait_s: float = 0
) -> int:
    """Return the index of a process that holds a claim now: hitting an idle one proves little."""
    deadline = time.monotonic() + wait_s
    while True:
        holders = holding_pids(database)
        busy = [index for index, process in enumerate(processes) if process.pid in holders]
        if busy or time.monotonic() >= deadline:
            return chance.choice(busy or range(len(processes)))
        time.sleep(0.01)


def sleep_past_lease(pid: int, lease_s: float, chance: random.Random) -> None:
    """Stop a process for longer than its lease; it wakes up to find a successor."""
    sleeper = psutil.Process(pid)
    sleeper.suspend()
    time.sleep(lease_s * chance.uniform(1.2, 2))
    sleeper.resume()


@contextmanager
def ended(process: Popen[bytes], grace_s: float = 90) -> Iterator[None]:
    """Terminate a process when the body ends, and kill it when it does not listen."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(grace_s)
        except TimeoutExpired:
            process.kill()
            process.wait()
