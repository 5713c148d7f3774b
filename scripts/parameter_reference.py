"""Write docs/reference/parameters.md from the parameters' model; with ``--check`` say whether it is up to date."""

import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "parameters.md"
_HEAD = """<!-- Made by `make docs` from the parameters themselves; edit their descriptions instead. -->

# Parameters

A session is described by one JSON file. `opticstream launch validate FILE…` checks files and names every problem at
once; `opticstream launch FILE --dry-run` shows what would run.

Four layers are joined, key by key, the later ones over the earlier: this rig's configuration (TOML), the parameter
file, `--set key=value`, and what the operator answered. Keys are case-sensitive. A key that is no parameter is kept,
for modules and for other tools; one that looks like a typing mistake is warned of. `null` and blank mean *not given*.
A byte order mark is read over, and `$schema` never needs the network.

## Placeholders

Any text may hold these, also inside lists and objects:

| placeholder | stands for |
|---|---|
| `{subject_id}`, `{user_id}`, any other key with a plain value | that value |
| `{session_uuid}` | the session's name |
| `{output_session_folder}` or `{session_folder}` | its folder |
| `{rig_param:KEY}` | a value of the rig's configuration, dotted for a table: `{rig_param:camera.port}` |
| `$NAME`, `${NAME}`, on Windows also `%NAME%` | an environment variable |
| `{{` | a brace |

A `rig_param` that the rig does not have ends the launch before anything is made; an unknown other placeholder stays as
it is, with a warning.

## The rig's configuration

A TOML file, made with comments at the first launch: where `OPTICSTREAM_RIG_CONFIG` says, else
`C:/RigConfig/rig_config.toml` where that exists, else `rig_config.toml` in the user's configuration folder.
`opticstream launch --rig-config FILE` names another. Keys with the name of a parameter are this rig's default for it.
"""
_GROUPS = (
    ("SessionKeys", "The session"),
    ("AcquisitionKeys", "The acquisition"),
    ("RepositoryKeys", "The experiment's code"),
    ("PythonKeys", "Launcher python"),
    ("BonsaiKeys", "Launcher bonsai"),
    ("MatlabKeys", "Launcher matlab"),
    ("ScopeKeys", "Launcher scope"),
    ("SyncKeys", "Session sync"),
)
_ENTRY_HEAD = """## Steps of a pipeline

A step is a module's name, or an object with these keys; [Modules](modules.md) lists the modules.
"""


def render() -> str:
    """Return the page: every key, with other spellings, type, default and meaning."""
    from opticstream.rig import PipelineEntry, parameter_groups
    from opticstream.rig.parameter_names import ALIASES

    spelled: dict[str, list[str]] = {}
    for other, name in ALIASES.items():
        spelled.setdefault(name, []).append(other)
    parts = [_HEAD]
    for group, title in _GROUPS:
        parts.append(f"## {title}\n\n{_table(getattr(parameter_groups, group), spelled)}")
    parts.append(f"{_ENTRY_HEAD}\n{_table(PipelineEntry, {})}")
    return "\n".join(parts)


def _table(model: Any, spelled: dict[str, list[str]]) -> str:
    schema = model.model_json_schema(mode="validation")
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        names = " or ".join(f"`{each}`" for each in (name, *spelled.get(name, ())))
        kind = _type(schema["properties"].get(name, {}), schema.get("$defs", {}))
        default = "required" if field.is_required() else _default(field.default)
        lines.append(f"| {names} | {_cell(kind)} | {_cell(default)} | {_cell(field.description or '')} |")
    return "\n".join(lines) + "\n"


def _type(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in part:
        found = definitions.get(part["$ref"].rpartition("/")[2], {})
        return "object" if found.get("type") == "object" else _type(found, definitions)
    if "anyOf" in part:
        kinds = [_type(each, definitions) for each in part["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in part:
        return ", ".join(f"`{each}`" for each in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list"}
    return words.get(part.get("type", ""), part.get("type", "any"))


def _default(value: Any) -> str:
    if value is None or value in ((), {}) or callable(value):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    from _generated_page import write_or_check

    sys.exit(write_or_check(PAGE, render, "parameters", sys.argv[1:]))
