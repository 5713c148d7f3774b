"""A flow whose task asks, in this process or as a program; the questions are those of tests of operators.

``python asking_flow.py TIMEOUT_S KEY…`` prints each answer as a line of JSON; Ctrl+C at a question goes on to the next.
"""

import json
import sys

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from opticstream.core.operator import NoAnswer, Question
from opticstream.tasks.prefect_operator import PrefectOperator

QUESTIONS = {
    question.key: question
    for question in (
        Question("mouse_weight", "How heavy is the mouse?\nWeigh it *now*.", "number", minimum=5, maximum=60, unit="g"),
        Question("arena", "Which arena?", "choice", choices=("left", "right one"), default="right one"),
        Question("ready", "Is the rig ready?", "confirm"),
        Question("notes", "What happened?", required=False),
    )
}


@task(cache_policy=NO_CACHE)
def ask(operator: PrefectOperator, key: str, timeout_s: float | None) -> object:
    return operator.ask(QUESTIONS[key], timeout_s)


@flow(name="asking", validate_parameters=False)
def asking(keys: list[str], timeout_s: float | None) -> list[object]:
    """Ask one after the other, each in a task run."""
    operator = PrefectOperator()
    return [ask(operator, key, timeout_s) for key in keys]


@flow(name="telling")
def telling(keys: list[str], timeout_s: float) -> None:
    """Ask and print what came."""
    operator = PrefectOperator()
    for key in keys:
        try:
            value: object = operator.ask(QUESTIONS[key], timeout_s)
        except (NoAnswer, KeyboardInterrupt) as error:
            value = type(error).__name__
        print(json.dumps(value), flush=True)


if __name__ == "__main__":
    telling(sys.argv[2:], float(sys.argv[1]))
