"""What ``session_state.json`` holds: several launchers' states, each under its class's full name."""

import copy
from datetime import UTC, datetime
from typing import Any

VERSION = "1.0.0"
STATES = "launcher_states"

Document = dict[str, Any]
"""The file's JSON object; keys that are not known here are kept."""


def is_document(data: object) -> bool:
    """Return whether it can be read as a state file; its version is not asked, since unknown ones may fit."""
    return isinstance(data, dict) and isinstance(data.get(STATES), dict)


def with_state(before: Document | None, kind: type, attributes: dict[str, Any]) -> Document:
    """Return the document with one class's attributes in place of its earlier ones; all else is kept.

    Args:
        before: the document so far; None: there is none.
        kind: the launcher's class.
        attributes: JSON data.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    kept = copy.deepcopy(before) if before is not None else {}
    head = {"version": VERSION, "launcher_class": "", "launcher_module": "", "created_at": now}
    named = {"launcher_class": kind.__name__, "launcher_module": kind.__module__}
    document: Document = head | kept | named
    document.setdefault(STATES, {})[namespace(kind)] = {"attributes": attributes, "saved_at": now}
    return document


def namespace(kind: type) -> str:
    """Return the key of a class's state."""
    return f"{kind.__module__}.{kind.__qualname__}"


def find_state(document: Document, kind: type) -> tuple[str, dict[str, Any]] | None:
    """Return the namespace and attributes to restore for a class, or None.

    Its own namespace first; else those of classes of the same name, which have moved to another module, newest first.
    """
    states = {
        str(name): state
        for name, state in document[STATES].items()
        if isinstance(state, dict) and isinstance(state.get("attributes"), dict)
    }
    own = namespace(kind)
    if own in states:
        return own, states[own]["attributes"]
    moved = [name for name in states if name.rpartition(".")[2] == kind.__name__]
    if not moved:
        return None
    newest = max(moved, key=lambda name: (_instant(states[name].get("saved_at")), name))
    return newest, states[newest]["attributes"]


def describe(document: Document) -> dict[str, Any]:
    """Return what the document holds, without the values."""
    head = {key: document.get(key) for key in ("version", "launcher_class", "launcher_module", "created_at")}
    states = {
        str(name): {"saved_at": state.get("saved_at"), "attributes": sorted(map(str, state.get("attributes") or {}))}
        for name, state in document[STATES].items()
        if isinstance(state, dict) and isinstance(state.get("attributes"), dict)
    }
    return head | {STATES: states}


def _instant(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(text if isinstance(text, str) else "")
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
