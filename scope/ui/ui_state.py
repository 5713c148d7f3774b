"""What a scope's interface shows."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

NoteLevel = Literal["message", "warning", "error"]
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class UiNote:
    """Something that was said to the user."""

    time: float
    """Of the first, seconds since 1970 UTC."""
    level: NoteLevel
    text: str
    details: str
    count: int
    """How often in a row it was said."""
    last: float
    """Time of the last."""


@dataclass(frozen=True, slots=True)
class UiValue:
    """The newest content of one field."""

    time: float
    """Seconds since 1970 UTC."""
    value: Any


class UiState:
    """The newest value of each field, and the newest notes; bounded, however long a scope runs.

    Args:
        most_notes: of each level; older ones go. Errors do not go for warnings.
        most_values: fields; one more puts out the one that was not set for longest.
    """

    def __init__(self, most_notes: int = 200, most_values: int = 1000) -> None:
        self._values: dict[str, UiValue] = {}
        self._most_values = most_values
        self._notes: dict[NoteLevel, deque[UiNote]] = {
            "message": deque(maxlen=most_notes), "warning": deque(maxlen=most_notes), "error": deque(maxlen=most_notes),
        }  # fmt: skip
        self.version = 0
        """Grows with each change, so that a page knows whether to draw."""

    def set(self, name: str, value: Any, now: float) -> None:
        """Take what an Update… command brings.

        Args:
            name: of the field; the manager's choice, as ``script step``.
            value: what is shown.
            now: s since 1970 UTC.
        """
        self._values.pop(name, None)
        self._values[name] = UiValue(now, value)
        if len(self._values) > self._most_values:
            del self._values[next(iter(self._values))]
        self.version += 1

    def value(self, name: str, default: Any = None) -> Any:
        """Return the newest value of a field."""
        found = self._values.get(name)
        return default if found is None else found.value

    @property
    def values(self) -> dict[str, UiValue]:
        """All fields, in the order they were last set."""
        return dict(self._values)

    def note(self, level: NoteLevel, text: str, now: float, details: str = "") -> None:
        """Take a message, a warning or an error; what is said again right after counts up. Long ones are cut."""
        notes = self._notes[level]
        text, details = text[:_LONGEST], details[:_LONGEST]
        if notes and (notes[-1].text, notes[-1].details) == (text, details):
            before = notes.pop()
            notes.append(UiNote(before.time, level, text, details, before.count + 1, now))
        else:
            notes.append(UiNote(now, level, text, details, 1, now))
        self.version += 1

    def notes(self, *levels: NoteLevel) -> list[UiNote]:
        """Return the notes of some levels, or of all, by the time of their first."""
        return sorted(
            (note for level in levels or tuple(self._notes) for note in self._notes[level]), key=lambda note: note.time
        )
