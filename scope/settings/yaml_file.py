"""YAML files of settings: a mapping, or one clear error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opticstream.core.files import read_failed, write_text, writing
from opticstream.scope.bad_value import BadValue


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        BadFile: the file cannot be read.
        BadValue: it is no YAML, is empty, or holds something other than a mapping of texts.
    """
    import yaml  # each process of a scope has settings, and reads no file of them

    try:
        content = path.read_bytes()
    except OSError as error:
        raise read_failed(path, error) from None
    expected = "YAML lines of `name: value`"
    try:
        found = yaml.safe_load(content)
    # A date like 2024-13-45 is refused by datetime, a byte that is no UTF-8 by the reader: both ValueErrors.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadValue(str(path), found=" ".join(str(error).split()), expected=expected) from None
    if found is None:
        raise BadValue(str(path), found="an empty file", expected=expected)
    if not isinstance(found, dict):
        raise BadValue(str(path), found=f"a {type(found).__name__}", expected=expected)
    odd = [key for key in found if not isinstance(key, str)]
    if odd:
        raise BadValue(str(path), found=f"the key {odd[0]!r}", expected="keys that are texts")
    return found


def write_yaml_mapping(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as YAML, whole or not at all.

    Raises:
        WriteFailed: the disk is full, or the folder may not be written to.
    """
    import yaml

    with writing(path):
        write_text(path, yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))
