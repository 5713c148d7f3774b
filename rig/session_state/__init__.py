"""Session state: what a launcher knows at the end of a session, for a later one to go on with."""

from opticstream.rig.session_state.document import Document, find_state, is_document, namespace, with_state
from opticstream.rig.session_state.mixin import NEVER_PERSISTENT, SessionStateMixin
from opticstream.rig.session_state.store import FILE_NAME, SessionStateStore
from opticstream.rig.session_state.values import Unreadable, Unwritable, decode, encode

__all__ = [
    "FILE_NAME",
    "NEVER_PERSISTENT",
    "Document",
    "SessionStateMixin",
    "SessionStateStore",
    "Unreadable",
    "Unwritable",
    "decode",
    "encode",
    "find_state",
    "is_document",
    "namespace",
    "with_state",
]
