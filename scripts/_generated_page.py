"""A page of the docs that is made from the code."""

from collections.abc import Callable
from pathlib import Path


def write_or_check(page: Path, render: Callable[[], str], source: str, arguments: list[str]) -> int:
    """Write a page, or with ``--check`` compare it; return the exit code.

    Args:
        page: the file.
        render: returns what it should hold.
        source: what it is made from, in words.
        arguments: of the command line.
    """
    text = render()
    if arguments == ["--check"]:
        current = page.read_text("utf-8") if page.is_file() else ""
        if current != text:
            print(f"{page} is not what the {source} say; run `make docs`")
        return int(current != text)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, "utf-8", newline="\n")
    return 0
