"""Text files of a session that grow line by line."""

from pathlib import Path

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import atomic_file, read_failed, writing


def read_session_text(path: Path, encoding: str) -> str:
    """Return a file's text; a byte order mark is left out, what is not in the encoding becomes ``�``.

    Raises:
        BadFile: it cannot be read.
        BadInput: there is no such encoding.
    """
    try:
        return path.read_bytes().decode(encoding, "replace").lstrip("\ufeff")
    except OSError as error:
        raise read_failed(path, error) from None
    except LookupError:
        raise _no_encoding(encoding) from None


def append_line(path: Path, line: str, *, header: str = "", encoding: str = "utf-8") -> None:
    """Add a line to a file, which has its old content or the whole new one at every moment.

    What is there stays as it is, byte for byte; a last line that nobody ended is ended.

    Args:
        path: the file; made with the header if it is not there.
        line: without its end.
        header: first lines of a new file, without the last one's end.
        encoding: of what is added.

    Raises:
        BadFile: the file cannot be read, or the encoding does not know the line.
        WriteFailed: the disk refuses.
    """
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        before = b""
    except OSError as error:
        raise read_failed(path, error) from None
    try:
        mark = "".encode(encoding)  # only a file's beginning has the byte order mark of its encoding
        added, end = (text.encode(encoding)[len(mark) :] for text in (f"{line}\n", "\n"))
        start = b"" if before else f"{header}\n".encode(encoding) if header else mark
    except LookupError:
        raise _no_encoding(encoding) from None
    except UnicodeError as error:
        raise BadFile(str(path), found=str(error), expected=f"text that {encoding} can hold") from None
    if before and not before.endswith(end):
        start = end
    with writing(path), atomic_file(path) as handle:
        handle.write(before + start + added)


def _no_encoding(name: str) -> BadInput:
    return BadInput("encoding", found=repr(name), expected="the name of a text encoding, such as utf-8")
