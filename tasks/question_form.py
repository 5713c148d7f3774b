"""A question as a form: what the Prefect UI shows, what ``opticstream answer`` reads, what comes back."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from opticstream.core.errors import BadInput
from opticstream.core.operator import Question, Value

WITHDRAWN = "opticstream_withdrawn"
"""Key of the input with which the asking side resumes a run itself: the question's time is over, or it ended."""

_MARK = "x-opticstream"
"""Where the question itself stands in the schema; a validator passes over words it does not know."""

_YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """One question, put to a flow run once."""

    question: Question
    reason: str = ""
    """Why the last answer was none; empty the first time."""

    expires_at: datetime | None = None
    """When the question is withdrawn, UTC; None: never."""

    @property
    def choices(self) -> tuple[str, ...]:
        """Return every answer there is; empty where any text may be one."""
        return _YES_NO if self.question.kind == "confirm" else self.question.choices

    def schema(self) -> dict[str, Any]:
        """Return the form as JSON schema.

        The one field is a text and may be left out: what it means, and whether it may be blank, is decided where the
        question is asked, in one place and in the same words for every way to answer.
        """
        question = self.question
        field: dict[str, Any] = {"type": "string", "title": _label(question), "description": self.hint, "position": 0}
        if self.choices:
            field["enum"] = list(self.choices)
        if question.default is not None:
            field["default"] = question.shown(question.default)
        mark = asdict(question) | {"reason": self.reason}
        mark["expires_at"] = self.expires_at.isoformat() if self.expires_at else None
        return {"title": question.key, "type": "object", "properties": {question.key: field}, _MARK: mark}

    @property
    def hint(self) -> str:
        """Return what an answer is, and what a blank one means."""
        question = self.question
        hint = question.expected
        if question.default is not None:
            hint += f"; blank means {question.shown(question.default)}"
        elif not question.required:
            hint += "; may be left blank"
        return hint

    def description(self) -> str:
        """Return the text above the form, as Markdown; a wrong answer's reason comes first."""
        parts = [f"**Not taken:** {_plain(self.reason)}"] if self.reason else []
        parts.append("  \n".join(map(_plain, self.question.text.splitlines())))
        if self.expires_at is not None:
            parts.append(f"Withdrawn at {self.expires_at:%Y-%m-%d %H:%M:%S} UTC.")
        return "\n\n".join(parts)

    def read(self, given: Mapping[str, Any]) -> Value:
        """Return what was answered.

        Raises:
            BadInput: a key that was not asked for, or what is no answer.
        """
        key = self.question.key
        unknown = sorted(set(given) - {key})
        if unknown:
            raise BadInput("answer", found=f"the key {', '.join(map(repr, unknown))}", expected=repr(key))
        return self.question.value(given.get(key))

    @classmethod
    def of_schema(cls, schema: object) -> Self | None:
        """Return the form that a schema was made from; None for a schema of somebody else's."""
        mark = schema.get(_MARK) if isinstance(schema, dict) else None
        if not isinstance(mark, dict):
            return None
        try:
            given = {field.name: mark[field.name] for field in fields(Question)}
            expires = mark["expires_at"]
            question = Question(**given | {"choices": tuple(given["choices"])})
            return cls(question, mark["reason"], datetime.fromisoformat(expires) if expires else None)
        except (KeyError, TypeError, ValueError, BadInput):  # of another version
            return None


def _label(question: Question) -> str:
    words = question.key.replace("_", " ").strip().capitalize() or question.key
    return f"{words} ({question.unit})" if question.unit else words


def _plain(text: str) -> str:
    """Return a text whose characters mean nothing in Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", text)
