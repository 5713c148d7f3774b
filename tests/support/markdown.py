"""What the documentation tests read out of a Markdown page."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"""!?\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)|<img[^>]*\ssrc="(?P<image>[^"]+)\"""")
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
_SHELLS = {"bash", "sh", "console", "powershell"}
_ENDS_COMMAND = {"|", "||", "&&", ";", "&", ">", ">>", "<"}
_ASSIGNMENT = re.compile(r"\w+=")


@dataclass(frozen=True)
class Block:
    """A fenced block of one page."""

    page: Path
    line: int
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the page's fenced blocks, without the indent of the list they stand in."""
    text = page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines()]
        yield Block(page, text.count("\n", 0, match.start()) + 1, match["language"], "\n".join(lines))


def commands(block: Block, program: str) -> Iterator[list[str]]:
    """Yield the arguments of every call of ``program`` in a shell block."""
    if block.language not in _SHELLS:
        return
    prompted = block.language == "console"
    for line in re.sub(r"[\\`]\n\s*", " ", block.text).splitlines():
        if prompted and not line.startswith("$ "):
            continue  # output
        words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
        words.whitespace_split = True
        call: list[str] = []
        for word in [*words, ";"]:
            if word not in _ENDS_COMMAND:
                if call or not _ASSIGNMENT.match(word):
                    call.append(word)
                continue
            if call and Path(call[0]).name.removesuffix(".exe") == program:
                yield call[1:]
            call = []


def prose(page: Path) -> str:
    """Return the page without its fenced blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text("utf-8")))


def links(page: Path) -> Iterator[str]:
    """Yield the targets of links and pictures that stay inside the repository."""
    for match in _LINK.finditer(prose(page)):
        target = match["target"] or match["image"]
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """Return the anchors of the page's headings."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(text)}
