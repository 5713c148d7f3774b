"""Finds strips of a light-sheet acquisition: each subfolder is one, looked into only as long as it may change."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opticstream.core.errors import BadFile, BadInput
from opticstream.watch.delta import Delta
from opticstream.watch.listing import current_stat, listing
from opticstream.watch.report import IncompleteStrip, Problem
from opticstream.watch.strip_name import DEFAULT_STRIP_PATTERN, StripName, StripReader
from opticstream.watch.strip_tree import TreeSight, look

StripKey = tuple[int, int, int, str]
"""(run, channel, strip, folder name)."""

_REST_S = 30.0


@dataclass(slots=True)
class _Folder:
    """What is known of one strip's folder."""

    mtime: int = -1
    """Of the folder itself when it was looked into last, ns."""
    sight: TreeSight | None = None
    """What was in it; None: it is not known."""
    looked: float = -math.inf
    since: float = math.inf
    """Monotonic seconds when ``sight`` was first seen."""
    rests: bool = False
    """It is stable or has long been incomplete: look again only now and then, or when the folder itself changes."""
    taken: TreeSight | None = None
    """What was in it when it was dispatched or refused."""
    finished: bool = False
    """Look again only when the folder itself changes, or something says that it has."""


class LSMSource:
    """Discovers strips among the immediate subfolders of a folder.

    A pass lists the folder and asks each strip's folder for its mtime. Strips that may still change are walked, with
    one listing per folder and one stat per file; what is kept of a strip is a digest, however many files it has.

    Args:
        folder: the watched folder.
        refuse: says why a strip of this name cannot be one of the project's; empty: it can.
        is_done: asked once per folder; True: its strip needs no look until the folder changes.
        pattern: folder name patterns separated by commas, any case.
        min_files: folders with fewer files are incomplete, 1 or more.
        min_bytes: so are smaller ones.
        hints: returns the names of folders that are said to have changed since it was last asked.
        stopping: whether to leave folders that are not begun.
        clock: monotonic seconds.

    Raises:
        BadInput: the pattern is none, or ``min_files`` is below 1.
    """

    def __init__(
        self,
        folder: Path,
        *,
        refuse: Callable[[StripName], str] = lambda name: "",
        is_done: Callable[[StripKey], bool] = lambda key: False,
        pattern: str = DEFAULT_STRIP_PATTERN,
        min_files: int = 1,
        min_bytes: float = 0.0,
        hints: Callable[[], set[str]] = set,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float],
    ) -> None:
        if min_files < 1:
            raise BadInput("--min-files", found=str(min_files), expected="1 or more")
        self._folder = folder
        self._refuse, self._is_done = refuse, is_done
        self._reader = StripReader(pattern)
        self._min_files, self._min_bytes = min_files, min_bytes
        self._hints, self._stopping, self._clock = hints, stopping, clock
        self._there: dict[StripKey, int] = {}
        self._folders: dict[StripKey, _Folder] = {}
        self._present: set[StripKey] = set()
        """Strips that were told of as candidates and not as gone."""
        self._holders: dict[StripName, StripKey] = {}
        """Which folder a strip was taken from."""
        self._lacking: dict[StripKey, str] = {}
        self._odd: dict[str, str] = {}
        """Folder names of no strip, and why."""
        self._twins: tuple[Problem, ...] = ()
        self._unread: dict[StripKey, Problem] = {}

    @property
    def files(self) -> int:
        """Files in the strips that were looked into."""
        sights = (known.sight for key, known in self._folders.items() if key in self._there)
        return sum(sight.files for sight in sights if sight is not None)

    @property
    def units(self) -> int:
        """Strip folders at the last pass."""
        return len(self._there)

    @property
    def incomplete(self) -> tuple[IncompleteStrip, ...]:
        """Strips whose folder holds too little, in order."""
        return tuple(IncompleteStrip(key[3], self._lacking[key]) for key in sorted(self._lacking))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands in the way in the folder: names first."""
        odd = (Problem(str(self._folder / name), why) for name, why in self._odd.items())
        return (*odd, *self._twins, *self._unread.values())

    def poll(self) -> Delta[StripKey, TreeSight]:
        """Look once and return which strips are new, different or gone.

        Raises:
            OSError: the folder cannot be listed; everything known is kept.
        """
        self._there = self._list()
        hinted = self._hints()
        candidates = self._without_twins()
        for key in self._folders.keys() - candidates:
            self._forget(key)
        changed: dict[StripKey, TreeSight] = {}
        for key in sorted(candidates):
            if self._stopping():
                break
            if key not in self._folders:
                self._folders[key] = _Folder()
                if self._is_done(key):
                    self._folders[key].mtime = self._there[key]
                    self.finish(key)
            sight = self._changed(key, hinted=key[3] in hinted)
            if sight is not None:
                changed[key] = sight
        there = candidates - self._unread.keys() - self._lacking.keys()
        gone = self._present - there
        self._present = (self._present | changed.keys()) - gone
        return Delta(changed, gone)

    def rest(self, key: StripKey) -> None:
        """Look at a stable strip only now and then from here on."""
        self._folders[key].rests = True

    def stir(self, key: StripKey) -> None:
        """Look at a strip in every pass again."""
        self._folders[key].rests = False

    def hold(self, key: StripKey) -> None:
        """Remember that this folder is the strip's; another that says the same is the problem."""
        self._holders[StripName(*key[:3])] = key

    def finish(self, key: StripKey) -> None:
        """Do not look at a strip until its folder changes."""
        known = self._folders[key]
        known.taken, known.finished = known.sight, True
        self.hold(key)

    def _list(self) -> dict[StripKey, int]:
        """Return each strip's folder with its mtime in ns; note the names that say none."""
        there: dict[StripKey, int] = {}
        odd: dict[str, str] = {}
        with listing(self._folder) as entries:
            for entry in entries:
                name = entry.name
                try:
                    if not self._reader.takes(name) or not entry.is_dir():
                        continue
                    strip = self._reader.read(name)
                    assert strip is not None  # it takes the name  # noqa: S101
                    if why := self._refuse(strip):
                        odd[name] = why
                        continue
                    there[*strip, name] = current_stat(entry).st_mtime_ns
                except BadInput as error:
                    odd[name] = str(error).removeprefix(f"{name}: ")
                except FileNotFoundError:  # gone between listing and stat
                    continue
                except OSError as error:
                    odd[name] = f"cannot be looked at: {error.strerror or error}"
        self._odd = odd
        return there

    def _without_twins(self) -> set[StripKey]:
        """Return the folders that alone say their strip, or had it first."""
        folders: dict[StripName, list[StripKey]] = {}
        for key in sorted(self._there):
            folders.setdefault(StripName(*key[:3]), []).append(key)
        twins = []
        for strip, keys in folders.items():
            if len(keys) == 1:
                continue
            holder = self._holders.get(strip)
            if holder not in keys:
                holder = None
            folders[strip] = [] if holder is None else [holder]
            twins.append(self._twin(strip, keys, holder))
        self._twins = tuple(twins)
        return {keys[0] for keys in folders.values() if keys}

    def _twin(self, strip: StripName, keys: list[StripKey], holder: StripKey | None) -> Problem:
        says = f"run {strip.run}, channel {strip.channel}, strip {strip.strip}"
        paths = [str(self._folder / key[3]) for key in keys if key != holder]
        if holder is None:
            text = f"each say {says}; none is taken until all but one are renamed or moved away"
        else:
            text = (
                f"say(s) {says}, which was taken from {self._folder / holder[3]}; rename or move away what is no copy"
            )
        return Problem(" and ".join(paths), text)

    def _forget(self, key: StripKey) -> None:
        """Forget a folder that is away, but not what was taken: a share may show nothing for a moment."""
        self._lacking.pop(key, None)
        self._unread.pop(key, None)
        if not self._folders[key].finished:
            del self._folders[key]

    def _changed(self, key: StripKey, *, hinted: bool) -> TreeSight | None:
        """Look into a folder if need be; return what is in it when that is a candidate's and differs."""
        known, now = self._folders[key], self._clock()
        if not (hinted or key in self._unread or self._is_due(known, self._there[key], now)):
            return None
        known.mtime, known.looked = self._there[key], now
        self._unread.pop(key, None)
        try:
            sight = look(self._folder / key[3])
        except (OSError, BadFile) as error:
            self._leave_out(key, error)
            return None
        if sight == known.sight:
            known.rests |= key in self._lacking and now - known.since >= _REST_S
            return None
        known.sight, known.since = sight, now
        if known.finished and _is_nothing_new(sight, known.taken):
            return None
        known.finished = known.rests = False
        self._lacking.pop(key, None)
        if why := self._lacks(sight):
            self._lacking[key] = why
            return None
        return sight

    def _is_due(self, known: _Folder, mtime: int, now: float) -> bool:
        if mtime != known.mtime:
            return True
        if known.finished:
            return False
        # Files that are written in place leave their folder's mtime as it was.
        return known.sight is None or not known.rests or now - known.looked >= _REST_S

    def _leave_out(self, key: StripKey, error: OSError | BadFile) -> None:
        known = self._folders[key]
        self._lacking.pop(key, None)
        known.sight, known.rests = None, False
        path = str(self._folder / key[3])
        if isinstance(error, BadFile):
            self._unread[key] = Problem(path, str(error))
        else:
            self._unread[key] = Problem(path, f"{error.filename}: cannot be read: {error.strerror}")

    def _lacks(self, sight: TreeSight) -> str:
        if sight.files == 0:
            return "no files"
        if sight.files < self._min_files:
            return f"{sight.files} of at least {self._min_files} files"
        if sight.total_bytes < self._min_bytes:
            return f"{sight.total_bytes / 1e9:.3g} of at least {self._min_bytes / 1e9:.3g} GB"
        return ""


def _is_nothing_new(sight: TreeSight, taken: TreeSight | None) -> bool:
    """Return whether a finished strip is as it was taken, or was only cleaned up since."""
    return sight.files == 0 or (taken is not None and (sight == taken or sight.is_left_of(taken)))
