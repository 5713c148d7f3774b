"""Keeps a claim's lease alive from a thread while the work goes on, and says at once when it is lost."""

import logging
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy.exc import SQLAlchemyError

from opticstream.core.errors import ClaimLost, StoreUnavailable
from opticstream.state.claims import Claim, lost, renew_claim

if TYPE_CHECKING:
    from opticstream.state.database import Database

log = logging.getLogger(__name__)

_RENEWALS = 3
"""How often a claim is renewed in the time of one lease."""


class LeaseKeeper:
    """Renews a claim every third of its lease; use as a context manager around the work.

    The work calls :meth:`check` between steps. A renewal the store refuses, or that cannot reach the store until the
    lease is over, ends the claim: ``check`` then raises ``ClaimLost``.
    """

    def __init__(self, database: "Database", claim: Claim) -> None:
        self._database = database
        self._claim = claim
        self._lease_s = database.settings.lease_s
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"opticstream-lease-{claim.token}", daemon=True)

    def check(self) -> None:
        """Return if the claim still holds.

        Raises:
            ClaimLost: it does not; stop and write nothing.
        """
        if self._lost.is_set():
            raise lost(self._claim)

    def _run(self) -> None:
        sure_until = time.monotonic() + self._lease_s
        while not self._stop.wait(self._lease_s / _RENEWALS):
            asked = time.monotonic()
            try:
                with self._database.write("lease renewal", patience_s=0) as connection:
                    renew_claim(connection, self._claim, self._lease_s)
                sure_until = asked + self._lease_s
            except ClaimLost:
                self._lost.set()
                return
            except (SQLAlchemyError, StoreUnavailable) as error:
                log.warning("%s: lease renewal failed: %s", self._claim.ident, error)
                if time.monotonic() > sure_until:
                    self._lost.set()
                    return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
