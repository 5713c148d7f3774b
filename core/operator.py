"""Questions to the person at the rig, whichever way they are reached."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

from opticstream.core.errors import BadInput, OpticstreamError

Kind = Literal["text", "number", "choice", "confirm"]
Value = str | float | bool | None
"""What an answer is: text and choice give str, number float, confirm bool; None where an optional one is left out."""

_YES = frozenset({"y", "yes", "true", "1", "on"})
_NO = frozenset({"n", "no", "false", "0", "off"})


class NoAnswer(OpticstreamError):
    """Raised when a question that must be answered was not: nobody is there, the time is over, or nobody wanted to."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing the operator is asked.

    Raises:
        BadInput: it cannot be answered (a choice without choices, a least number above the greatest), its default is
            no answer to it, or its key or kind is none.
    """

    key: str
    """Name of the answer in an answers file, and for ``opticstream answer RUN key=value``."""

    text: str
    """What people read: one sentence, or a few lines."""

    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    """For kind ``choice``: every answer there is."""

    default: Value = None
    """Taken for a blank answer, and where nobody is there to ask; None: there is none."""

    required: bool = True
    """Whether there must be an answer; else a blank one is None."""

    minimum: float | None = None
    """Least number that is taken."""

    maximum: float | None = None
    unit: str = ""
    """Of a number, such as g."""

    def __post_init__(self) -> None:
        where = f"question {self.key}"
        if not self.key.strip() or self.key != self.key.strip() or "=" in self.key:
            raise BadInput(
                where, found=f"the key {self.key!r}", expected="a name without = and without blanks around it"
            )
        if self.kind not in get_args(Kind):
            raise BadInput(where, found=f"the kind {self.kind!r}", expected=f"one of {', '.join(get_args(Kind))}")
        object.__setattr__(self, "choices", tuple(choice.strip() for choice in self.choices))
        if self.kind == "choice" and not (self.choices and all(self.choices)):
            raise BadInput(where, found="no choices" if not self.choices else "a blank choice", expected="choices")
        low, high = self._range
        if not low <= high:
            raise BadInput(where, found=f"numbers from {low:g} up to {high:g}", expected="a range")
        if self.default is not None:
            if self.kind != "text" and not str(self.default).strip():
                raise BadInput(where, found="a blank default", expected=self.expected)
            try:
                object.__setattr__(self, "default", self.value(self.default))
            except BadInput as refused:
                raise BadInput(where, found=f"the default {refused.found}", expected=self.expected) from None

    def value(self, answer: object) -> Value:
        """Return what an answer means; text from a person, or a value from a file.

        Raises:
            BadInput: naming the question, what was answered and what would be an answer.
        """
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            if self.default is not None or not self.required:
                return self.default
            raise BadInput(self.key, found="nothing", expected=self.expected)
        if self.kind == "confirm":
            return self._confirmed(answer)
        if self.kind == "number":
            return self._number(answer)
        if not isinstance(answer, (str, int, float)) or isinstance(answer, bool):
            raise self._refused(answer)
        text = self._text(answer)
        if self.kind == "choice":
            return self._chosen(text)
        return text

    @property
    def expected(self) -> str:
        """Return what an answer is, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "confirm":
            return "yes or no"
        if self.kind == "text":
            return "a text"
        low = "" if self.minimum is None else f" from {self.shown(self.minimum)}"
        high = "" if self.maximum is None else f" up to {self.shown(self.maximum)}"
        return f"a number{low}{high}{f' ({self.unit})' if self.unit else ''}"

    @staticmethod
    def shown(value: Value) -> str:
        """Return a value as people would type it; typed, it means the same."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (int, float)):
            short = f"{value:.15g}"
            return short if float(short) == value else repr(value)
        return "" if value is None else value

    @property
    def _range(self) -> tuple[float, float]:
        return (
            -math.inf if self.minimum is None else self.minimum,
            math.inf if self.maximum is None else self.maximum,
        )

    def _text(self, answer: object) -> str:
        try:
            return str(answer).strip()
        except ValueError:  # an integer of thousands of digits
            raise BadInput(self.key, found="a number no computer can hold", expected=self.expected) from None

    def _refused(self, answer: object) -> BadInput:
        return BadInput(self.key, found=repr(answer)[:100], expected=self.expected)

    def _confirmed(self, answer: object) -> bool:
        word = self._text(answer).lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
        raise self._refused(answer)

    def _number(self, answer: object) -> float:
        text = self._text(answer)
        text = text.removesuffix(self.unit).strip() if self.unit else text
        try:
            # A comma is the decimal sign of half the labs; nobody weighs a mouse in thousands.
            number = math.nan if isinstance(answer, bool) else float(text.replace(",", "."))
        except ValueError:
            number = math.nan
        low, high = self._range
        if not (math.isfinite(number) and low <= number <= high):
            raise self._refused(answer)
        return number

    def _chosen(self, text: str) -> str:
        if text in self.choices:
            return text
        meant = [choice for choice in self.choices if choice.lower() == text.lower()]
        if text.isdecimal() and 1 <= int(text) <= len(self.choices):
            meant = meant or [self.choices[int(text) - 1]]
        if len(meant) == 1:
            return meant[0]
        raise self._refused(text)


@runtime_checkable
class Operator(Protocol):
    """Reaches the person at the rig."""

    @property
    def name(self) -> str:
        """Return how people are reached: terminal, prefect, headless, or an answers file's path."""

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        """Ask, again after each answer that is none, until there is one.

        Args:
            question: what.
            timeout_s: seconds until the question is withdrawn; None: never.

        Raises:
            NoAnswer: nobody is there to ask, or the time is over; naming the question's key.
            KeyboardInterrupt: the operator ends the session instead.
        """

    def tell(self, text: str) -> None:
        """Show something that needs no answer."""
