"""The ``session_sync_*`` parameters."""

import logging
import os
import socket
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.validation import problems

SECRET_VARIABLE = "OPTICSTREAM_SESSION_SYNC_SECRET"
PREFIX = "session_sync_"
_OFF = ("", "disabled", "none")
_ONLY = {"master": ("expected_slaves", "bind_host", "session_name"), "slave": ("master_host", "retry_delay_sec")}
_log = logging.getLogger(__name__)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number, not true or false")
    return value


Port = Annotated[int, BeforeValidator(_no_flag), Field(ge=1, le=65535)]
Seconds = Annotated[float, BeforeValidator(_no_flag), Field(gt=0, allow_inf_nan=False, le=31_536_000)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class SyncSettings(BaseModel):
    """How one computer takes part in session sync; each field is the parameter ``session_sync_{field}``."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: f"{PREFIX}{name}",
        populate_by_name=True,
        coerce_numbers_to_str=True,
    )

    role: Literal["master", "slave"] = Field(description="master: decides the name; slave: adopts it.")
    port: Port = Field(description="TCP port on which the master listens.")
    session_key: Text = Field(description="What all participants must agree on; by default the subject.", repr=False)
    node_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        default_factory=socket.gethostname, description="Label of this computer; must differ between slaves."
    )
    expected_slaves: Annotated[int, BeforeValidator(_no_flag), Field(ge=1, le=100_000)] | None = Field(
        None, description="Master: how many slaves must acknowledge before anyone proceeds."
    )
    bind_host: Text = Field(
        "127.0.0.1", description="Master: interface to listen on; 0.0.0.0 or :: is every one, the default only its own."
    )
    master_host: Text | None = Field(None, description="Slave: host name or address of the master.")
    session_name: Text | None = Field(None, description="Master: the session's name; None: the caller generates one.")
    timeout_sec: Seconds = Field(120, description="Seconds the whole barrier may take.")
    ack_timeout_sec: Seconds = Field(30, description="Seconds for an answer, from the moment it is due.")
    retry_delay_sec: Seconds = Field(1, description="Slave: seconds between two attempts to connect.")
    allow_bypass: bool = Field(False, description="Whether an operator may go on without the others.")
    bypass_prompt: str | None = Field(None, description="What the operator is asked.")
    secret: SecretStr | None = Field(
        None, min_length=1, description="Known to all participants; with it, those without it are refused."
    )


def read_sync_settings(
    parameters: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> SyncSettings | None:
    """Return the session sync that a parameter file asks for; None when it asks for none.

    The role may also stand under ``session_sync_mode``. The key is ``session_sync_session_key``, else the parameter
    that ``session_sync_key_param`` names (``subject_id``); a master's name is ``session_sync_session_name``, else
    the parameter that ``session_sync_name_param`` names (``session_uuid``), else None. The secret may also stand in
    the environment, as ``OPTICSTREAM_SESSION_SYNC_SECRET``. Null is the same as absent.

    Raises:
        BadInput: naming every parameter that is missing or cannot be used.
    """
    given = {key: value for key, value in parameters.items() if value is not None}
    role = _role(given)
    if role is None:
        return None
    other = _ONLY["slave" if role == "master" else "master"]
    fields = {name: given[PREFIX + name] for name in SyncSettings.model_fields if PREFIX + name in given}
    fields = {name: value for name, value in fields.items() if name not in other} | {"role": role}
    key_param = str(given.get("session_sync_key_param", "subject_id"))
    fields.setdefault("session_key", given.get(key_param))
    if role == "master":
        name_param = str(given.get("session_sync_name_param", "session_uuid"))
        fields.setdefault("session_name", given.get(name_param) or None)
    if environment.get(SECRET_VARIABLE):
        fields.setdefault("secret", environment[SECRET_VARIABLE])
    wrong = _missing(role, fields, key_param)
    settings = None
    try:
        settings = SyncSettings.model_validate({PREFIX + name: value for name, value in fields.items()})
    except ValidationError as error:
        named = [str(item["loc"][0]) for item in error.errors()]
        if any(name not in wrong for name in named):
            wrong["others"] = problems(_without(error, set(wrong)))
    if wrong or settings is None:
        raise BadInput("session sync", found="; ".join(wrong.values()), action="Mend these parameters.")
    return settings


def _role(given: Mapping[str, Any]) -> Literal["master", "slave"] | None:
    for key in ("session_sync_role", "session_sync_mode"):
        role = str(given.get(key, "")).strip().lower()
        if role == "master" or role == "slave":
            return role  # type: ignore[return-value] # mypy narrows no string by comparison
        if role not in _OFF:
            _log.info("%s = %r is neither master nor slave: session sync is off", key, given[key])
        if role:
            break
    return None


def _missing(role: str, fields: Mapping[str, Any], key_param: str) -> dict[str, str]:
    """Return what must be there and is not: parameter → problem."""
    needed = {"port": "", "session_key": f" (neither it nor {key_param!r} has a value)"}
    needed |= {"expected_slaves": ""} if role == "master" else {"master_host": ""}
    return {
        PREFIX + name: f"{PREFIX}{name} is missing{note}"
        for name, note in needed.items()
        if fields.get(name) in (None, "")
    }


def _without(error: ValidationError, known: set[str]) -> ValidationError:
    """Return the error without the fields that are known to be missing, and without a secret's value."""
    lines: list[Any] = [
        {"type": item["type"], "loc": item["loc"], "input": _shown(item), "ctx": item.get("ctx", {})}
        for item in error.errors()
        if item["loc"][0] not in known
    ]
    return ValidationError.from_exception_data(error.title, lines)


def _shown(item: Any) -> object:
    return "(not shown)" if item["loc"][0] == f"{PREFIX}secret" else item["input"]
