"""What a module says about itself: its documentation and its parameters."""

import inspect
import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from opticstream.rig.modules.contract import ModuleParameters
from opticstream.rig.modules.module import Module
from opticstream.rig.pipeline_entry import Stage


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    """One parameter of a module."""

    name: str
    type: str
    default: str
    """As JSON; empty: there is none."""
    required: bool
    description: str
    spellings: tuple[str, ...] = ()
    """Other names under which files give it."""


@dataclass(frozen=True, slots=True)
class ModuleDescription:
    """One module as its users see it."""

    name: str
    stages: tuple[Stage, ...]
    distribution: str
    target: str
    summary: str
    text: str
    """The documentation after its first line."""
    parameters: tuple[ParameterDescription, ...]


def describe(module: Module) -> ModuleDescription:
    """Import a module and return what it says about itself.

    Raises:
        BadInput: it cannot be imported.
    """
    loaded = module.load()
    documented: Any = loaded
    function = module.target.partition(":")[2]
    if function:
        documented = module.entry_point(module.stages[0])
    summary, _, text = (inspect.getdoc(documented) or "").partition("\n")
    model = module.parameters
    return ModuleDescription(
        module.name, module.stages, module.distribution, module.target, summary, text.strip(), _parameters(model)
    )


def _parameters(model: type[ModuleParameters] | None) -> tuple[ParameterDescription, ...]:
    if model is None:
        return ()
    spelled: dict[str, list[str]] = {}
    for spelling, name in model.ALIASES.items():
        spelled.setdefault(name, []).append(spelling)
    return tuple(
        ParameterDescription(
            name,
            _type(field.annotation),
            "" if field.is_required() else _shown(field.default, field.default_factory),
            field.is_required(),
            field.description or "",
            tuple(spelled.get(name, ())),
        )
        for name, field in model.model_fields.items()
    )


def _shown(default: object, factory: Callable[..., object] | None) -> str:
    if factory is not None:
        default = factory()
    if default is None:
        return ""
    return json.dumps(default, default=str, ensure_ascii=False)


_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", dict: "object"}


def _type(annotation: Any) -> str:
    """Return a type in words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type(get_args(annotation)[0])
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        words = [_type(part) for part in get_args(annotation) if part is not types.NoneType]
        return " or ".join(dict.fromkeys(words))
    if origin in (list, tuple, set, frozenset):
        parts = [part for part in get_args(annotation) if part is not ...]
        return f"list of {_type(parts[0])}" if parts else "list"
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(json.dumps(member.value) for member in kind)
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))
