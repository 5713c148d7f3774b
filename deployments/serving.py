"""What every ``serve`` command does about a Prefect API that comes and goes."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from opticstream.deployments.runner import UntilSignal

log = logging.getLogger(__name__)
R = TypeVar("R")
_AGAIN_S = 2.0


def patiently(work: Callable[[], R]) -> R:
    """Return what the work gives, trying for as long as the Prefect API is away."""
    told = False
    while True:
        try:
            return work()
        except Exception as error:  # units stay ready meanwhile
            (log.debug if told else log.warning)("The Prefect API is away, trying again: %s", error)
            told = True
        time.sleep(_AGAIN_S)


def run_for_ever(runner: "UntilSignal", applied: "Callable[[], UntilSignal]") -> NoReturn:
    """Run a runner, and another one when it ended, until a signal.

    Args:
        runner: the first.
        applied: makes another, with its deployments: the server may have lost its database.
    """
    while True:
        try:
            asyncio.run(runner.start())
        except Exception as error:  # it gives up on an API that is away, and may meet anything else
            log.warning("The runner ended, starting it again: %s", error)
        time.sleep(_AGAIN_S)
        runner = patiently(applied)
