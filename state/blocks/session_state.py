"""Prefect block of a rig's session state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.blocks.core import Block
from pydantic import Field, PrivateAttr, SecretStr

from opticstream.core.settings import load_settings
from opticstream.core.text import slug
from opticstream.state.database import Database, open_database
from opticstream.state.session_states import SavedState, open_state, peek_state


class SessionState(Block):
    """Handle on what a rig's launchers saved at the end of their sessions, saved as ``{rig-slug}-session-state``.

    The data are rows in the store, so that a launch on another host can go on with them.

    Example:
        ``saved = SessionState.load("rig-3-session-state").peek()``, then
        ``launcher.import_session_state(saved.document)``
    """

    _block_type_name = "Session State"
    _block_type_slug = "session-state"

    rig: str = Field(description="Name of the rig, its rig_id.")
    store_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the state store; empty: this installation's own."
    )
    _database: Database | None = PrivateAttr(None)

    @classmethod
    def document_name(cls, rig: str) -> str:
        """Return the name under which a rig's block is saved."""
        return "".join(char if char.isalnum() or char == "-" else "-" for char in f"{slug(rig)}-session-state")

    def peek(self, session: str | None = None) -> SavedState | None:
        """Return the newest saved state, of one session or of any; None when there is none; takes no lock."""
        return peek_state(self._store(), session=session, rig=self.rig)

    @contextmanager
    def open(self, session: str | None = None) -> Iterator[dict[str, Any]]:
        """Lock the newest saved state and yield its document; changes are kept when the body ends well.

        Raises:
            BadInput: there is none.
        """
        with open_state(self._store(), session=session, rig=self.rig) as document:
            yield document

    def close(self) -> None:
        """Close the store's connections; the block can be used again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _store(self) -> Database:
        if self._database is None:
            self._database = open_database(
                load_settings(), self.store_url.get_secret_value() if self.store_url else None
            )
        return self._database
