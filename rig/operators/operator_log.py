"""The log of questions and answers; the session's log and its run's page show it."""

import logging

from opticstream.core.operator import Question, Value

log = logging.getLogger("opticstream.rig.operator")


def answered(question: Question, value: Value, by: str) -> Value:
    """Log an answer and return it."""
    log.info("%s: %r (%s, by %s)", question.key, value, question.text.splitlines()[0] if question.text else "", by)
    return value
