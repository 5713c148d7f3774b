"""How one process wakes another that waits for many things."""

import os
import sys
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any, ClassVar

import numpy as np

from opticstream.scope.memory.fence import fence
from opticstream.scope.memory.shared_buffer import Fields, SharedBuffer

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection

    def _send(bell: Connection) -> None:
        bell.send_bytes(b"\0")  # a message is whole or absent, and the pipe has room for far more than we ever send

    def _drain(bell: Connection) -> None:
        while bell.poll():
            bell.recv_bytes()

else:
    from multiprocessing.connection import Connection

    def _send(bell: Connection) -> None:
        # Bytes, not messages: a reader that is killed between a message's length and its content would leave the
        # stream out of step for ever.
        os.write(bell.fileno(), b"\0")

    def _drain(bell: Connection) -> None:
        while len(os.read(bell.fileno(), 64)) == 64:
            pass


class Doorbell(SharedBuffer):
    """One process rings, one other answers; many rings before an answer are one.

    The reader waits for :attr:`reader` (``multiprocessing.connection.wait``), calls :meth:`answer`, and then looks at
    everything it may have been rung for. The writer first writes, then rings. So nothing is overlooked: a ring that
    finds the bell not answered yet sends nothing, but who answers after that looks after that.

    Nobody can be locked out by a killed one. A writer's first ring in its process always sends; a reader's first use
    of :attr:`reader` counts all rings before it as answered, so who starts reading looks at everything once.

    Args:
        name: of the segment.
        create: make segment and pipe. Otherwise only the segment is attached to: whoever did not get the bell from its
            creator, pickled to a spawned child, has no pipe.
        pipe: both ends, when unpickled.

    Raises:
        BadInput: the name is taken, or there is no such segment.
    """

    _FIELDS: ClassVar[Fields] = {"rung": (np.uint64, (1,)), "answered": (np.uint64, (1,))}

    def __init__(self, name: str, create: bool, pipe: "tuple[Connection, Connection] | None" = None) -> None:
        arrays = self._open(name, create)
        self._rung, self._answered = arrays["rung"], arrays["answered"]
        self._rang = self._listened = False
        if create:
            pipe = Pipe(duplex=False)
            if sys.platform != "win32":
                for end in pipe:
                    os.set_blocking(end.fileno(), False)
        self._pipe = pipe

    @property
    def reader(self) -> Connection:
        """What to wait for; ready when the bell was rung and not answered."""
        if not self._listened:
            self._listened = True
            self._acknowledge()
        return self._ends[0]

    @property
    def _ends(self) -> tuple[Connection, Connection]:
        if self._pipe is None:
            raise RuntimeError(f"doorbell {self.name}: its pipe only comes with the bell that its creator handed on")
        return self._pipe

    def ring(self) -> None:
        """Wake the reader; never waits and never fails, also when nobody reads any more."""
        fence()  # what was written for the reader comes before the look at whether it has answered
        if self._rang and int(self._rung[0]) != int(self._answered[0]):
            return
        self._rang = True
        # Before the byte: the other way round, the reader might take it first and then count one ring too few.
        self._rung[0] += np.uint64(1)
        fence()
        with suppress(OSError):  # the pipe is full of rings, or nobody is there
            _send(self._ends[1])

    def answer(self) -> None:
        """Take the rings; call it before looking at what they were for. Never waits."""
        with suppress(EOFError, OSError):
            _drain(self._ends[0])
        self._acknowledge()

    def _acknowledge(self) -> None:
        # A ring between taking the bytes and this is acknowledged while its byte is in the pipe: one turn for nothing.
        fence()
        self._answered[0] = self._rung[0]
        fence()  # from here on rings send again; what was written before others that did not is seen from here on

    def close(self) -> None:
        """Let go of the memory and of this process's ends of the pipe."""
        for end in () if self.closed or self._pipe is None else self._pipe:
            end.close()
        super().close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Doorbell, (self.name, False, self._pipe)
