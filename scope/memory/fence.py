"""Order between what one process writes to shared memory and what another reads from it."""

from threading import Lock


def fence() -> None:
    """Keep the memory accesses before this call before those after it, as every other process sees them.

    What is relied on, in three steps:

    1. A counter is one aligned 8-byte word, and NumPy writes and reads one element with one move, which x86-64 and
       ARM64 never tear. The processes of a scope run the same build, so the order of bytes is the same.
    2. The compiler moves nothing across a call into the interpreter.
    3. The processor may move accesses: x86-64 lets a load pass an older store (and long copies use weakly ordered
       stores), ARM64 lets nearly everything pass. Python has no fence of its own. Taking a lock is a locked
       instruction on x86-64, which is a full fence. On ARM64 taking is a load-acquire and giving back a
       store-release: what stands before can sink no further than the first giving back, what follows can rise no
       further than the second taking, and an acquire never passes an older release. So two turns of a lock are a
       fence on both.

    The lock is new at each call: nobody else can hold it, also not a signal handler that comes in between.
    """
    lock = Lock()
    lock.acquire()
    lock.release()
    lock.acquire()
    lock.release()
