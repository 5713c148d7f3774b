"""Paths that another host wrote down, as this host sees them."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath


def local_path(text: str, path_map: Mapping[str, str]) -> Path:
    """Return where this host sees a path: the longest folder of ``path_map`` that it lies in is replaced.

    Args:
        text: an absolute path of any host, Windows or POSIX.
        path_map: folders of other hosts and where this one sees them.
    """
    found = _parts(text)
    for folder in sorted(path_map, key=lambda name: len(_parts(name)), reverse=True):
        start = _parts(folder)
        if _same(found[: len(start)], start, text):
            return Path(path_map[folder], *found[len(start) :])
    return Path(text)


def name_of(text: str) -> str:
    """Return the last part of a path of any host."""
    return _parts(text)[-1]


def beside(text: str, *parts: str) -> str:
    """Return a path beside another one, as the host spells it that wrote the other."""
    path = PureWindowsPath(text) if _is_windows(text) else PurePosixPath(text)
    return str(path.parent.joinpath(*parts))


def _is_windows(text: str) -> bool:
    return (text[:1].isalpha() and text[1:2] == ":") or text.startswith("\\\\")


def _parts(text: str) -> tuple[str, ...]:
    if _is_windows(text):
        # ``D:`` alone is where a program stands on that drive; as a folder of the map it is meant as ``D:\``.
        return PureWindowsPath(f"{text}\\" if len(text) == 2 else text).parts
    return PurePosixPath(text).parts


def _same(one: tuple[str, ...], other: tuple[str, ...], text: str) -> bool:
    if _is_windows(text):
        return [part.lower() for part in one] == [part.lower() for part in other]
    return one == other
