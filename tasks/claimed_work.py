"""Work under a claim: the lease is kept while it goes on, and the unit's row is settled whatever happens."""

import contextlib
import logging
import os
import traceback
from abc import ABC, abstractmethod
from typing import Any, Self

from opticstream.core.errors import ClaimLost, OpticstreamError
from opticstream.state import Claim, ProjectState

log = logging.getLogger(__name__)


class ClaimedWork(ABC):
    """A context manager around the work on one unit's stages.

    Leaving it with an exception marks the unit failed with that error, except when a claim was lost: then the
    successor's result stands. Claims that were not committed are given back.

    Args:
        state: the project's.
        claims: one for each stage that this work does; the first one's loss or failure is the unit's.
    """

    def __init__(self, state: ProjectState, *claims: Claim) -> None:
        self.state, self.claims = state, claims
        self._leases = [state.lease(claim) for claim in claims]
        self._stack = contextlib.ExitStack()
        self._committed: set[str] = set()

    @abstractmethod
    def sweep(self) -> None:
        """Remove what dead claims of this unit left behind; called when the lease is kept."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what is still under temporary names."""

    @property
    def source(self) -> dict[str, Any]:
        """What the unit was registered with."""
        return self.claims[0].source

    def claim_of(self, stage: str) -> Claim | None:
        """Return the claim of a stage that is still to be committed; None when it is not this work's."""
        return next((claim for claim in self.claims if claim.stage == stage and stage not in self._committed), None)

    def check(self) -> None:
        """Return if every claim still holds; called between blocks of work.

        Raises:
            ClaimLost: one does not.
        """
        for claim, lease in zip(self.claims, self._leases, strict=True):
            if claim.stage not in self._committed:
                lease.check()

    def committed(self, stage: str) -> None:
        """Note that a stage is committed."""
        self._committed.add(stage)

    def __enter__(self) -> Self:
        try:
            for lease in self._leases:
                self._stack.enter_context(lease)
            self.sweep()
        except BaseException as error:
            # Else the claims would be held for as long as this process lives, by nobody's work.
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stack.close()
        left = [claim for claim in self.claims if claim.stage not in self._committed]
        if not left:
            return
        try:
            self.discard()
        except OSError as problem:
            log.warning("%s: temporary files were left behind: %s", left[0].ident, problem)
        if error is None or isinstance(error, ClaimLost):
            for claim in left:
                self._give_back(claim)
        elif isinstance(error, Exception):
            # The others first: once the unit has failed, giving a claim back would make it ready.
            for claim in left[1:]:
                self._give_back(claim)
            # Raises ClaimLost when a successor is at work: then what went wrong here is that, not what it led to.
            self.state.fail(left[0], describe(error))
        else:  # interrupted from outside: nobody's fault, and no attempt
            for claim in left:
                self._give_back(claim)

    def _give_back(self, claim: Claim) -> None:
        with contextlib.suppress(ClaimLost):
            self.state.release(claim)


def describe(error: BaseException) -> str:
    """Return the error as it is stored with the attempt: one line of ours, a traceback of anything unexpected."""
    if isinstance(error, OpticstreamError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{os.strerror(error.errno) if error.errno else error}"
    return "".join(traceback.format_exception(error))[-4000:]
