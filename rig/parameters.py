"""The parameters of a launch: every documented key, its type, its default and what it means."""

from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any, Literal

from pydantic import ConfigDict, SecretStr, model_validator

from opticstream.rig.parameter_groups import (
    AcquisitionKeys,
    BonsaiKeys,
    MatlabKeys,
    PythonKeys,
    RepositoryKeys,
    ScopeKeys,
    SessionKeys,
    SyncKeys,
)
from opticstream.rig.parameter_names import documented, renamed

SECRETS = frozenset({"session_sync_secret"})
"""Keys whose values are written nowhere and stand for nothing in placeholders."""
PIPELINES = ("pre_acquisition_pipeline", "post_acquisition_pipeline")
REQUIRED = ("subject_id", "user_id")
"""Keys without which no session starts; asked for when the files do not say them."""


class LaunchParameters(  # the last base's fields come first in the form
    SyncKeys, ScopeKeys, MatlabKeys, BonsaiKeys, PythonKeys, RepositoryKeys, AcquisitionKeys, SessionKeys
):
    """Parameters of one session.

    Keys are case-sensitive; other spellings of real files are read (`parameter_names.ALIASES`). Keys that are no
    parameters, such as those of modules, are kept. Null and blank mean not given.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _under_documented_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        problems: list[Any] = []
        found = renamed(data, cls.model_fields, problems)
        if problems:
            raise ValueError("; ".join(map(str, problems)))
        found.setdefault("launcher", inferred_launcher(found))
        return found

    @property
    def program_path(self) -> str | None:
        """Return the script or workflow that the launcher runs."""
        return (self.workflow_path if self.launcher == "bonsai" else None) or self.script_path

    @property
    def sync_role(self) -> Literal["master", "slave"] | None:
        """Return this rig's role; None: no sync."""
        return sync_role(self.session_sync_role)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a key, in whichever spelling, with dots for what lies deeper; ``default`` if absent."""
        values = {field: getattr(self, field) for field in type(self).model_fields} | (self.model_extra or {})
        found = lookup(values, name)
        return default if found is None else found

    def given(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return what was given, defaults left out, as JSON holds it.

        Args:
            secrets: include keys that are otherwise written nowhere.
        """
        found = self.model_dump(mode="json", exclude_unset=True, exclude=set(SECRETS))
        for key in PIPELINES:
            if key in found:
                found[key] = [entry.model_dump(mode="json", exclude_unset=True) for entry in getattr(self, key)]
        for key in SECRETS if secrets else ():
            value = getattr(self, key)
            if isinstance(value, SecretStr):
                found[key] = value.get_secret_value()
        return found


def inferred_launcher(given: Mapping[str, Any]) -> str:
    """Return which launcher the keys ask for when none is named."""
    script = given.get("script_path")
    ending = PureWindowsPath(script).suffix.lower() if isinstance(script, str) else ""
    if given.get("workflow_path") or ending == ".bonsai":
        return "bonsai"
    if any(key.startswith("scope_") for key in given):
        return "scope"
    if ending == ".py":
        return "python"
    return "matlab" if ending == ".m" or any(key.startswith("matlab_") for key in given) else "base"


def sync_role(value: object) -> Literal["master", "slave"] | None:
    """Return the role a text names, any case; None for everything else."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return "master" if text == "master" else "slave" if text == "slave" else None


def lookup(values: Mapping[str, Any], name: str) -> Any:
    """Return what a dotted name leads to, None if nothing; a key that has the dots in itself comes first."""
    if name in values:
        return values[name]
    if documented(name) in values:
        return values[documented(name)]
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part, found.get(documented(part)) if found is values else None)
    return found
