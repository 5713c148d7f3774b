"""Answers that were given beforehand."""

import threading
from collections.abc import Mapping
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Operator, Question, Value
from opticstream.rig.operators.operator_log import answered, log


class PreparedOperator:
    """Answers what it knows, and leaves the rest to another operator.

    Args:
        answers: by key: one value for every asking, or a list of values for one asking after the other.
        otherwise: asked for keys that are missing, and when a list is used up.
        source: names the answers in errors and in the log.
    """

    def __init__(self, answers: Mapping[str, Any], otherwise: Operator, source: str = "prepared answers") -> None:
        self._answers = {
            key: list(value) if isinstance(value, (list, tuple)) else value for key, value in answers.items()
        }
        self._otherwise, self._source = otherwise, source
        self._used: set[str] = set()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Return how those are reached who are asked for the rest."""
        return self._otherwise.name

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        """Return the prepared answer, else that of the other operator.

        Raises:
            BadInput: what is prepared is no answer; nobody is there who could answer again.
            NoAnswer: nothing is prepared, and the other operator gets no answer.
        """
        with self._lock:
            known, value, listed = self._next(question.key)
        if known:
            try:
                return answered(question, question.value(value), self._source)
            except BadInput as refused:
                raise BadInput(
                    f"{self._source}: {question.key}", found=refused.found, expected=question.expected
                ) from None
        try:
            return self._otherwise.ask(question, timeout_s)
        except NoAnswer as nobody:
            if not listed:
                raise
            found = f"every value of {self._source} used already, and {nobody.found}"
            raise NoAnswer(question.key, found=found, expected=question.expected, action=nobody.action) from None

    def tell(self, text: str) -> None:
        """Hand it on."""
        self._otherwise.tell(text)

    def unused(self) -> tuple[str, ...]:
        """Return the keys nobody asked for, in the order they were given: mostly they are misspelled."""
        with self._lock:
            return tuple(key for key in self._answers if key not in self._used)

    def _next(self, key: str) -> tuple[bool, Any, bool]:
        """Return whether there is an answer, the answer, and whether a list was used up."""
        if key not in self._answers:
            return False, None, False
        self._used.add(key)
        value = self._answers[key]
        if not isinstance(value, list):
            return True, value, False
        if not value:
            return False, None, True
        log.debug("%s: %d more values after this one", key, len(value) - 1)
        return True, value.pop(0), False
