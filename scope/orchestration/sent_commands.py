"""What becomes of the commands that are sent from outside."""

import threading
from dataclasses import dataclass, field
from itertools import count

from opticstream.scope.ipc import Command


@dataclass(eq=False)
class SentCommand:
    """A command on its way."""

    command: Command
    target: str
    """Process that carries it out, ``MagScope`` for the scope's own."""
    token: int
    over: threading.Event = field(default_factory=threading.Event)
    """Set when whoever carries it out has come past it."""
    told: list[tuple[str, str]] = field(default_factory=list)
    """What that process told of meanwhile: text and details."""


class SentCommands:
    """Follows commands to their end: a process takes them in turn, so one sent after another tells when that is over.

    Commands are followed by any thread; the scope's main thread tells what becomes of them.
    """

    def __init__(self) -> None:
        self._tokens = count(1)
        self._open: dict[int, SentCommand] = {}

    def follow(self, command: Command, target: str) -> SentCommand:
        """Begin to follow a command that is about to be sent."""
        sent = SentCommand(command, target, next(self._tokens))
        self._open[sent.token] = sent
        return sent

    def forget(self, sent: SentCommand) -> None:
        """Follow it no more."""
        self._open.pop(sent.token, None)

    def target(self, token: int) -> str | None:
        """Return who carries a followed command out; None: nobody waits for it any more."""
        sent = self._open.get(token)
        return None if sent is None else sent.target

    def told(self, origin: str, text: str, details: str) -> None:
        """Note that a process told of a problem."""
        for sent in list(self._open.values()):
            if sent.target == origin:
                sent.told.append((text, details))

    def past(self, token: int) -> None:
        """Note that a process has come past a command."""
        if (sent := self._open.get(token)) is not None:
            sent.over.set()
