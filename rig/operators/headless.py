"""Nobody is there."""

from opticstream.core.operator import NoAnswer, Question, Value
from opticstream.rig.operators.operator_log import answered, log


class HeadlessOperator:
    """Takes each question's default; one without a default that needs an answer ends what asked it."""

    name = "headless"

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        """Return the default, or None where no answer is needed.

        Raises:
            NoAnswer: it needs one; the message names the key and how to give it.
        """
        if question.default is not None or not question.required:
            return answered(question, question.default, "default")
        raise NoAnswer(
            question.key,
            found="nobody to ask",
            expected=question.expected,
            action=f"Give it beforehand: --set {question.key}=VALUE, or --operator with an answers file.",
        )

    def tell(self, text: str) -> None:
        """Write it to the log."""
        log.info("%s", text)
