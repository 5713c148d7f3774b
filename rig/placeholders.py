"""Placeholders in parameter values: ``{rig_param:COM_port}``, ``{subject_id}``, ``${HOME}``.

A value that is one placeholder and nothing else takes over the type of what it stands for (a rig's ``true`` stays
true); within a longer text it is written as Python writes it. What a placeholder stands for may hold placeholders
itself; what the environment says is never looked into. There is no attribute access, conversion or format.
"""

import re
from collections.abc import Mapping
from typing import Any

from opticstream.rig.bad_parameters import Problem, shown
from opticstream.rig.parameter_names import documented
from opticstream.rig.parameters import SECRETS, lookup

_DEEPEST = 20
"""How far a placeholder may lead through other placeholders."""
_LONGEST = 1_000_000
"""Characters of one expanded text."""
_RIG = "rig_param:"
_AS_THEY_ARE = SECRETS | {"$schema", "launcher_version"}
_NAME = re.compile(r"[^\W\d][\w.!:\[\]-]*")
_NAME_OF_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_BRACES = r"(?P<open>\{\{)|(?P<close>\}\})|\{(?P<name>[^{}]*)\}"
_POSIX = rf"\$\{{(?P<braced>{_NAME_OF_VARIABLE})\}}|\$(?P<plain>{_NAME_OF_VARIABLE})"
_WINDOWS = r"%(?P<percent>[A-Za-z_][A-Za-z0-9_()]*)%"
_TOKEN = {False: re.compile(rf"{_POSIX}|{_BRACES}"), True: re.compile(rf"{_POSIX}|{_WINDOWS}|{_BRACES}")}
_NOTHING = object()


class Placeholders:
    """Expands the placeholders of one session's parameters; single use.

    Args:
        values: the parameters, under documented names, placeholders and all.
        rig: this rig's values, for ``{rig_param:key}`` whose key is not among the parameters.
        session: what is known of the session by now; wins over ``values`` and is taken as it is.
        environment: variables for ``$NAME``, ``${NAME}``, and ``%NAME%`` on Windows.
        later: names that will be known later; they stay as they are, without a warning.
        windows: whether ``%NAME%`` is one as well.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        rig: Mapping[str, Any],
        *,
        session: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        later: frozenset[str] = frozenset(),
        windows: bool = False,
    ) -> None:
        self._values, self._rig, self._session = values, rig, session or {}
        self._environment = environment or {}
        self._later = later
        self._windows = windows
        self._token = _TOKEN[windows]
        self._known: dict[str, Any] = {}
        self._within: list[str] = []
        self._where = ""
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[str, None] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what no value can be found for and must be, and what grows without bounds."""
        return tuple(self._problems)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return which placeholders were left as they are."""
        return tuple(self._warnings)

    def expand_all(self) -> dict[str, Any]:
        """Return the parameters with every placeholder expanded; names of keys are left alone."""
        return {key: value if key in _AS_THEY_ARE else self.expand(value, key) for key, value in self._values.items()}

    def expand(self, value: Any, where: str = "value") -> Any:
        """Return ``value`` with the placeholders of every text in it expanded.

        Args:
            value: text, list, object, or anything else, which is returned as it is.
            where: the key it belongs to, for problems and warnings.
        """
        if isinstance(value, str):
            outside, self._where = self._where, where
            try:
                return self._text(value)
            finally:
                self._where = outside
        if isinstance(value, Mapping):
            return {key: self.expand(item, f"{where}.{key}") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.expand(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return value

    def _text(self, text: str) -> Any:
        whole = self._token.fullmatch(text)
        if whole and whole["name"] is not None:
            found = self._lookup(whole["name"])
            return text if found is _NOTHING else found
        opened = 0
        parts: list[str] = []
        size = end = 0
        for match in self._token.finditer(text):
            literal = text[end : match.start()]
            end = match.end()
            if match["open"]:
                opened += 1
                part = "{"
            elif match["close"]:
                # Only what was doubled on purpose is halved: JSON within a text ends in }} as well.
                part, opened = ("}", opened - 1) if opened else ("}}", 0)
            else:
                part = self._part(match)
            size += len(literal) + len(part)
            if size > _LONGEST:
                self._problem(shown(text), f"placeholders that expand to at most {_LONGEST} characters")
                return text
            parts += [literal, part]
        return "".join([*parts, text[end:]])

    def _part(self, match: re.Match[str]) -> str:
        if match["name"] is not None:
            found = self._lookup(match["name"])
            if isinstance(found, (Mapping, list, tuple)):
                self._problem(f"{match[0]} = {shown(found)}", "a text or number within a longer text")
            elif found is not _NOTHING:
                return str(found)
            return match[0]
        name = match["braced"] or match["plain"] or (match["percent"] if self._windows else "")
        if name in self._environment:
            return self._environment[name]
        self._warn(f"there is no environment variable {name}; {match[0]} stays as it is")
        return match[0]

    def _lookup(self, name: str) -> Any:
        """Return what stands for the text between two braces."""
        if name.startswith(_RIG):
            return self._rig_value(name.removeprefix(_RIG).strip())
        key = next((spelling for spelling in (name, documented(name)) if spelling in self._session), None)
        if key is not None:
            return self._session[key]
        if {name, documented(name)} & self._later:
            return _NOTHING
        key = name if name in self._values else documented(name)
        value = self._values.get(key)
        if key in SECRETS or not isinstance(value, (str, int, float)):
            if _NAME.fullmatch(name):
                self._warn(f"{{{name}}} is no key with a text or number; it stays as it is")
            return _NOTHING
        return self._expanded(key, value)

    def _rig_value(self, key: str) -> Any:
        value = None
        if documented(key.partition(".")[0]) not in SECRETS:
            value = lookup(self._values, key)
            value = lookup(self._rig, key) if value is None else value
        if value is None:
            names = ", ".join(sorted(self._rig)) or "none"
            self._problem(f"{{{_RIG}{key}}}", f"a key of the rig configuration; it has: {names}")
            return _NOTHING
        return self._expanded(key, value)

    def _expanded(self, key: str, value: Any) -> Any:
        """Return what a key's value expands to, each key once, so that long chains cost no more than short ones."""
        key = documented(key)
        if key in self._known:
            return self._known[key]
        if key in self._within or len(self._within) >= _DEEPEST:
            chain = " → ".join([*self._within, key])
            self._warn(f"placeholders lead in a circle or too far ({chain}); they stay as they are")
            return _NOTHING
        self._within.append(key)
        try:
            self._known[key] = self.expand(value, key)
        finally:
            self._within.pop()
        return self._known[key]

    def _problem(self, found: str, expected: str) -> None:
        self._problems[Problem(self._where, found, expected)] = None

    def _warn(self, text: str) -> None:
        self._warnings[f"{self._where}: {text}"] = None
