"""The person at the terminal."""

import contextlib
import sys
import threading
import time
from typing import NoReturn, TextIO

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Question, Value
from opticstream.core.turns import taking_turns
from opticstream.rig.operators.lines import Lines, open_lines
from opticstream.rig.operators.operator_log import answered, log


class TerminalOperator:
    """Asks on standard error and reads standard input; standard output stays free for results.

    One question at a time: other threads wait for their turn, and a question's time begins when it is shown. What
    was typed at a terminal before a question stood there answers nothing.

    Args:
        source: what people type into; None: standard input. It must stand on a descriptor.
        target: where questions are shown; None: standard error.
    """

    name = "terminal"

    def __init__(self, source: TextIO | None = None, target: TextIO | None = None) -> None:
        self._source, self._target = source, target
        self._lines: Lines | None = None
        self._turn = threading.Lock()

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        """Show the question, and again with the reason after each answer that is none.

        Args:
            question: what.
            timeout_s: seconds until it is given up; None: never.

        Raises:
            NoAnswer: the time is over, or standard input is closed or at its end.
            KeyboardInterrupt: Ctrl+C.
        """
        with taking_turns(self._turn):
            self._lines = lines = self._lines or open_lines(self._source or sys.stdin)
            if lines is None:
                self._fail(question, "standard input closed")
            deadline = None if timeout_s is None else time.monotonic() + timeout_s
            lines.forget()
            self._show(_shown(question, timeout_s))
            while True:
                self._show(_prompt(question))
                try:
                    line = lines.read(None if deadline is None else max(0.0, deadline - time.monotonic()))
                except TimeoutError:
                    self._show("\n")
                    self._fail(question, f"no answer within {timeout_s:g} s")
                if line is None:
                    self._show("\n")
                    self._fail(question, "the end of standard input")
                try:
                    return answered(question, question.value(line), self.name)
                except BadInput as refused:
                    log.debug("%s: not taken: %r", question.key, line)
                    self._show(f"Not taken: found {refused.found}; expected {refused.expected}.\n")

    def tell(self, text: str) -> None:
        """Show it; it is in the log too."""
        log.debug("%s", text)
        self._show(f"{text}\n")

    def _fail(self, question: Question, found: str) -> NoReturn:
        raise NoAnswer(
            question.key,
            found=found,
            expected=question.expected,
            action=f"It can be given beforehand: --set {question.key}=VALUE, or --operator with an answers file.",
        )

    def _show(self, text: str) -> None:
        target = self._target or sys.stderr
        encoding = getattr(target, "encoding", None) or "utf-8"
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody sees it: the answer will not come
            target.write(text.encode(encoding, "replace").decode(encoding))
            target.flush()


def _shown(question: Question, timeout_s: float | None) -> str:
    lines = ["", question.text]
    lines += [f"  {number}  {choice}" for number, choice in enumerate(question.choices, 1)]
    if timeout_s is not None:
        lines.append(f"(waits {timeout_s:g} s)")
    return "\n".join(lines) + "\n"


def _prompt(question: Question) -> str:
    expected = f"1 to {len(question.choices)}" if question.kind == "choice" else question.expected
    if question.default is not None:
        expected += f"; Enter for {question.shown(question.default)}"
    elif not question.required:
        expected += "; Enter for none"
    return f"{question.key} ({expected}): "
