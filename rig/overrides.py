"""``--set key=value``: values from the command line, over those of the files."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.rig.bad_parameters import Problem, shown
from opticstream.rig.parameter_names import documented
from opticstream.rig.parameters import PIPELINES, LaunchParameters


@lru_cache(maxsize=1)
def _texts() -> frozenset[str]:
    """Return the parameters that are text, so that the mouse 1e5 and the commit 0123 stay what they are."""
    fields = LaunchParameters.model_json_schema()["properties"]
    types = {key: {option.get("type") for option in field.get("anyOf", [field])} for key, field in fields.items()}
    return frozenset(key for key, found in types.items() if "string" in found <= {"string", "null"})


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` texts.

    A value is JSON where it can be read as JSON, else text; for a parameter that is text, always text, unless it is
    JSON text in quotes or null. A later one wins over an earlier one.

    Raises:
        BadInput: one has no ``=``, or no key before it.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        key, sign, text = assignment.partition("=")
        key = key.strip()
        if not sign or not key:
            raise BadInput("--set", found=repr(assignment), expected="key=value", action="For example subject_id=m1.")
        found[key] = _value(key, text)
    return found


def _value(key: str, text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    keep = documented(key) in _texts() and not (value is None or isinstance(value, str))
    return text if keep else value


def _refuse(name: str) -> None:
    raise ValueError(name)


def apply_overrides(values: dict[str, Any], overrides: Mapping[str, Any], problems: list[Problem]) -> dict[str, str]:
    """Change ``values`` in place.

    A dot leads into an object, a number into a list: ``script_parameters.PortName``,
    ``pre_acquisition_pipeline.0.on_failure``. Null takes a key away, blank a parameter.

    Args:
        values: parameters under documented names.
        overrides: values by key.
        problems: receives overrides that lead nowhere.

    Returns:
        Each override's full key under its documented name, by the key as it was given.
    """
    applied: dict[str, str] = {}
    for given, value in overrides.items():
        first, _, rest = given.partition(".")
        if given in values or documented(given) in LaunchParameters.model_fields:
            first, rest = given, ""
        path = [documented(first), *(rest.split(".") if rest else [])]
        parent, reason = _parent(values, path)
        if parent is None:
            problems.append(Problem(given, f"--set {given}={shown(value)}", reason))
            continue
        _put(parent, path[-1], value, len(path) == 1)
        applied[given] = ".".join(path)
    return applied


def _parent(values: dict[str, Any], path: list[str]) -> tuple[Any, str]:
    """Return the object or list that holds the last part, made where there was nothing; or None and why."""
    holder: Any = values
    for depth, part in enumerate(path):
        here = ".".join(path[:depth])
        if isinstance(holder, list):
            if not re.fullmatch(r"[0-9]{1,9}", part) or int(part) >= len(holder):
                return None, f"a number below {len(holder)} after {here}"
        elif not isinstance(holder, dict):
            return None, f"{here} to be an object or a list"
        if depth == len(path) - 1:
            return holder, ""
        if isinstance(holder, list):
            if path[0] in PIPELINES and isinstance(holder[int(part)], str):
                holder[int(part)] = {"module_path": holder[int(part)]}
            holder = holder[int(part)]
        else:
            holder = holder.setdefault(part, {})
    return None, "a key"


def _put(parent: Any, part: str, value: Any, whole: bool) -> None:
    if isinstance(parent, list):
        parent[int(part)] = value
    elif value is None or (whole and isinstance(value, str) and not value.strip()):
        parent.pop(part, None)
    else:
        parent[part] = value
