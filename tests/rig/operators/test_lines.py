"""Lines of bytes, and the ways of Windows as far as they can run anywhere."""

import os
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.rig.operators.lines import LineBuffer
from opticstream.rig.operators.windows_lines import ConsoleLines, KeyLine, ThreadLines


@given(st.lists(st.text().filter(lambda t: "\n" not in t and not t.endswith("\r")), max_size=5), st.data())
def test_however_bytes_come_the_lines_are_the_same(lines: list[str], data: st.DataObject) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4)))
    buffer, found = LineBuffer(), []
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        buffer.add(content[start:end])
        while (line := buffer.line()) is not None:
            found.append(line)
    assert found == lines and buffer.rest() is None


class Keys:
    """A keyboard on which these keys are pressed, and the screen they show on."""

    def __init__(self, keys: str) -> None:
        self._keys, self.screen = deque(keys), ""

    def kbhit(self) -> bool:
        return bool(self._keys)

    def getwch(self) -> str:
        return self._keys.popleft()

    def putwch(self, character: str, /) -> None:
        self.screen += character


@pytest.mark.parametrize(
    ("keys", "line", "screen"),
    [
        ("25\r", "25", "25\r\n"),
        ("26\b5\r", "25", "26\b \b5\r\n"),
        ("\b\x7f7\r", "7", "7\r\n"),
        ("a\xe0Hb\x00;c\r", "abc", "abc\r\n"),  # arrow and function keys are no characters
        ("脳\r", "脳", "脳\r\n"),
        ("\x1a\r", None, "\x1a\r\n"),
    ],
)
def test_a_console_is_read_key_by_key(keys: str, line: str | None, screen: str) -> None:
    keyboard = Keys(keys)
    assert ConsoleLines(keyboard).read(100) == line
    assert keyboard.screen == screen


def test_a_console_that_is_waited_for() -> None:
    keyboard = Keys("late\r")
    console = ConsoleLines(keyboard)
    console.forget()
    with pytest.raises(TimeoutError):
        console.read(0)
    with pytest.raises(KeyboardInterrupt):
        ConsoleLines(Keys("2\x03")).read(None)


@given(st.text())
def test_any_keys_end_or_go_on(keys: str) -> None:
    line, shown = KeyLine(), ""
    for key in keys:
        try:
            done, more = line.press(key)
        except KeyboardInterrupt:
            assert key == "\x03"
            return
        shown += more
        assert done == (more == "\r\n")
    assert len(line.text) <= len(keys)


def test_a_console_is_on_windows() -> None:
    if os.name == "nt":
        ConsoleLines().forget()
        return
    with pytest.raises(OSError, match="no Windows console"):
        ConsoleLines()


def _read(lines: ThreadLines, timeout_s: float | None = 100) -> Any:
    try:
        return lines.read(timeout_s)
    except TimeoutError:
        return TimeoutError


def test_a_thread_reads_what_cannot_be_waited_for() -> None:
    """What comes too late for one question is there for the next; the thread ends with the stream."""
    ours, theirs = os.pipe()
    lines = ThreadLines(ours)
    lines.forget()
    assert _read(lines, 0) is TimeoutError
    os.write(theirs, b"25\r\nle")
    assert [_read(lines), _read(lines, 0.01)] == ["25", TimeoutError]
    os.write(theirs, b"ft\nlast")
    os.close(theirs)
    assert [_read(lines, None) for _ in range(4)] == ["left", "last", None, None]
    os.close(ours)
