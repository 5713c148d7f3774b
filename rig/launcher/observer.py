"""Who is told how a session goes, beside the files it leaves."""

from typing import Any, Protocol

from opticstream.rig.launcher.session import Session


class SessionObserver(Protocol):
    """Is told, in the session's own thread, and must not raise."""

    def synced(self, session: Session) -> None:
        """Called when session sync has ended, well or not; ``session.sync`` says how."""

    def started(self, session: Session) -> None:
        """Called when the session has a folder."""

    def acquiring(self, session: Session) -> None:
        """Called when the acquisition runs."""

    def ended(self, session: Session) -> None:
        """Called when ``end_state.json`` is written, or, without a folder, when the session cannot go on."""

    def saved(self, document: dict[str, Any]) -> None:
        """Called with the launcher's state, after a session that ended well."""


class NoObserver:
    """Tells nobody."""

    def synced(self, session: Session) -> None:
        """Do nothing."""

    def started(self, session: Session) -> None:
        """Do nothing."""

    def acquiring(self, session: Session) -> None:
        """Do nothing."""

    def ended(self, session: Session) -> None:
        """Do nothing."""

    def saved(self, document: dict[str, Any]) -> None:
        """Do nothing."""
