"""What pydantic and the keys among each other find wrong, as problems with the key an operator knows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from opticstream.rig.bad_parameters import Problem, shown
from opticstream.rig.parameter_groups import BonsaiKeys, MatlabKeys, PythonKeys, ScopeKeys, SyncKeys
from opticstream.rig.parameters import PIPELINES, SECRETS, sync_role
from opticstream.rig.pipeline_entry import PipelineEntry

_EXPECTED = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "missing": "a value",
    "string_too_short": "a value",
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text"}
_ITEMS = {"tuple": "a list", "list": "a list", "dict": "an object", "finite": "a finite number"}
_GROUPS = {"python": PythonKeys, "bonsai": BonsaiKeys, "matlab": MatlabKeys, "scope": ScopeKeys}


def problems_of(error: ValidationError, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield one problem per key; a value that fits none of several types is one problem.

    Args:
        error: what pydantic raised for ``values``.
        values: tell which parts of a location are keys, and which are names of types.
    """
    found: dict[str, tuple[object, dict[str, None]]] = {}
    for item in error.errors():
        key, value = _located(item, values)
        found.setdefault(key, (value, {}))[1][_expected(item)] = None
    for key, (value, expected) in found.items():
        hidden = key.partition(".")[0] in SECRETS
        yield Problem(key, "something else" if hidden else shown(value), " or ".join(expected))


def _located(item: ErrorDetails, values: Mapping[str, Any]) -> tuple[str, Any]:
    key = ""
    value: Any = values
    for part in item["loc"]:
        if isinstance(part, int) and isinstance(value, (list, tuple)) and part < len(value):
            key, value = f"{key}[{part}]", value[part]
        elif isinstance(value, Mapping) and part in value:
            key, value = f"{key}.{part}" if key else str(part), value[part]
        elif part in PipelineEntry.model_fields and key.startswith(PIPELINES):  # given under another spelling
            key, value = f"{key}.{part}", None if item["type"] == "missing" else item["input"]
    return key or "parameters", value


def _expected(item: ErrorDetails) -> str:
    context = item.get("ctx", {})
    if item["type"] == "value_error":
        return str(context["error"])
    if item["type"] in _EXPECTED:
        return _EXPECTED[item["type"]].format(**context)
    kind = item["type"].partition("_")[0]
    return (_KINDS | _ITEMS).get(kind) or item["msg"]


def contradictions(values: Mapping[str, Any], launcher: str) -> Iterator[Problem]:
    """Yield what is missing or contradicts itself between keys that are each well.

    Args:
        values: parameters under documented names.
        launcher: what runs the acquisition.
    """
    if launcher == "python" and not values.get("script_path"):
        yield Problem("script_path", "nothing", "the script that launcher python runs")
    if launcher == "bonsai" and not (values.get("workflow_path") or values.get("script_path")):
        yield Problem("workflow_path", "nothing", "the workflow that launcher bonsai runs")
    role = sync_role(values.get("session_sync_role"))
    needed = {"master": "session_sync_expected_slaves", "slave": "session_sync_master_host"}
    for key in ("session_sync_port", needed[role]) if role else ():
        if values.get(key) is None:
            yield Problem(key, "nothing", f"a value: session_sync_role is {role}")


def unread(values: Mapping[str, Any], launcher: str) -> frozenset[str]:
    """Return the parameters that this launch does not read: other launchers', and those of a sync that is off."""
    groups: Iterable[Any] = [group for name, group in _GROUPS.items() if name != launcher and ":" not in launcher]
    if sync_role(values.get("session_sync_role")) is None:
        groups = [*groups, SyncKeys]
    keys = {key for group in groups for key in group.model_fields}
    return frozenset(keys - {"session_sync_role"})
