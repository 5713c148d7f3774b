"""Named steps of a piece of work, and who runs them: plainly, or each as a task run."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from opticstream.core.errors import BadInput

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_log = logging.getLogger("opticstream")


@dataclass(frozen=True, slots=True)
class Step(Generic[T_co]):
    """One thing to do, under the name people see.

    Raises:
        BadInput: a number of retries, or a delay, below 0.
    """

    name: str
    work: Callable[[], T_co]
    """Does it, in the calling thread; what it raises is the step's failure."""

    retries: int = 0
    """How often it is done again after a failure; an interruption is none."""

    retry_delay_s: float = 0

    def __post_init__(self) -> None:
        if self.retries < 0 or not self.retry_delay_s >= 0:
            found = f"{self.retries} retries, {self.retry_delay_s} s apart"
            raise BadInput(f"step {self.name}", found=found, expected="0 or more of both")


class StepRunner(Protocol):
    """Runs steps one after the other."""

    def run(self, step: Step[T]) -> T:
        """Do a step, with its retries, and return its result or raise what it raised last."""
        ...


class PlainSteps:
    """Runs steps in this process and says so in the log; nothing else is needed."""

    def run(self, step: Step[T]) -> T:
        """Do a step, with its retries."""
        _log.info("%s", step.name)
        for left in range(step.retries, -1, -1):
            try:
                return step.work()
            except Exception as error:
                if not left:
                    raise
                _log.warning("%s: %s; trying again (%d left)", step.name, error, left)
                time.sleep(step.retry_delay_s)
        raise AssertionError("unreachable")
