"""Asks at its terminal what its argument says, and prints the answers.

``python terminal_child.py '[[{question}, timeout], …]' [own]``: with ``own`` the terminal on standard input becomes the
controlling one, so that Ctrl+C reaches this process.
"""

import json
import sys
import threading

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Question
from opticstream.rig.operators import TerminalOperator, make_operator


def main(asked: str, *more: str) -> None:
    if "own" in more:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    operator = make_operator("auto") if "auto" in more else TerminalOperator()
    operator.tell("Good morning.")
    results: list[object] = []

    def ask(question: dict[str, object], timeout_s: float | None) -> None:
        choices = tuple(question.pop("choices", ()))  # type: ignore[call-overload]
        try:
            value: object = operator.ask(Question(choices=choices, **question), timeout_s)  # type: ignore[arg-type]
        except (NoAnswer, BadInput) as error:
            value = {"error": str(error)}
        except KeyboardInterrupt:
            value = "interrupted"
        results.append([question["key"], value])

    if "threads" in more:
        threads = [threading.Thread(target=ask, args=each) for each in json.loads(asked)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        for each in json.loads(asked):
            ask(*each)
    print(json.dumps({"operator": operator.name, "results": results}))


if __name__ == "__main__":
    main(*sys.argv[1:])
