"""What the environment says about a scope's preferences."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from opticstream.core.errors import BadInput
from opticstream.core.validation import problems
from opticstream.scope.settings.keys import SPECS

_PREFIX = "OPTICSTREAM_SCOPE__"


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="ignore"
    )

    tracking: dict[str, Any] = {}
    z_lut: Path | None = None
    z_lut_disabled: bool | None = None
    directories: dict[str, Path] = {}


# Each setting arrives as a text, which its own rules then read: the messages are the same wherever a value comes from.
_Variables = create_model("_Variables", __base__=_Environment, **{s.field: (str | None, None) for s in SPECS})  # type: ignore[call-overload]


def read_environment() -> dict[str, Any]:
    """Return what ``OPTICSTREAM_SCOPE__…`` variables say, by section of the preferences file.

    Raises:
        BadInput: a variable cannot be used, or its name is none of the scope's.
    """
    try:
        found: Any = _Variables()
    except SettingsError as error:
        name = next((name for name in ("tracking", "directories") if f'"{name}"' in str(error)), "")
        raise BadInput(_PREFIX + name.upper(), found="no JSON object", expected='JSON like {"mode": …}') from None
    except ValidationError as error:
        raise BadInput("environment", found=problems(error, lambda path: _PREFIX + path.upper())) from None
    _refuse_unknown(set(_Variables.model_fields))
    settings = {spec.key: getattr(found, spec.field) for spec in SPECS}
    return {
        "magscope": {key: value for key, value in settings.items() if value is not None},
        "tracking": found.tracking,
        "z_lut": {
            key: value
            for key, value in (("path", found.z_lut), ("disabled", found.z_lut_disabled))
            if value is not None
        },
        "directories": found.directories,
    }


def _refuse_unknown(fields: set[str]) -> None:
    for name in os.environ:
        if name.upper().startswith(_PREFIX) and name[len(_PREFIX) :].lower().partition("__")[0] not in fields:
            variables = ", ".join(sorted(_PREFIX + known.upper() for known in fields))
            raise BadInput(f"environment variable {name}", found="no such setting", expected=f"one of {variables}")
