"""Whether an acquisition that ended by itself did so well."""

import re
import signal
from dataclasses import dataclass

from opticstream.core.errors import BadInput
from opticstream.rig.engine.output_sink import OutputSink


@dataclass(frozen=True, slots=True)
class FailureRules:
    """What makes an acquisition fail besides an exit code other than 0.

    Raises:
        BadInput: a pattern is no regular expression.
    """

    patterns: tuple[str, ...] = ()
    """Regular expressions, case ignored; found in a line of either stream they are a failure."""

    error_output_fails: bool = False
    """Whether any standard error is a failure."""

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                re.compile(pattern.encode())
            except re.error as error:
                raise BadInput(
                    "error pattern", found=f"{pattern!r} ({error})", expected="a regular expression"
                ) from None

    def fault(self, output: OutputSink, errors: OutputSink) -> str | None:
        """Say what in the output is a failure, if anything; everything must have been read."""
        match = output.match or errors.match
        if match:
            return f"its output says: {match[:300]}"
        if self.error_output_fails and errors.bytes:
            return f"it wrote to its error output: {(errors.tail() or ('',))[0][:300]}"
        return None


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
