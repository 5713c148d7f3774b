"""Tracebacks without our own frames."""

import traceback


def user_traceback(error: BaseException, filename: str) -> str:
    """Return the traceback within one file, and the exception's own words; as Python prints it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()


def last_line(error: BaseException, filename: str) -> str:
    """Return ``file:line`` of the innermost frame in one file; empty if the exception passed none there."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    return f"{filename}:{lines[-1]}" if lines else ""
