"""Every documented form of a module's function, called with what it declares."""

import inspect
import os
import re
import types
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from opticstream.core.errors import BadInput
from opticstream.rig.modules.contract import ModuleContext, ModuleParameters

Kind: TypeAlias = Literal["context", "path", "mapping", "model"]

CONTEXT_NAMES = frozenset({"context", "ctx"})
PATH_NAMES = frozenset({"param_file", "paramfile", "param_path", "params_file", "params_path"})
MAPPING_NAMES = frozenset({"params", "parameters", "merged_params", "param_source", "config", "cfg"})
_SAID: tuple[Kind, ...] = ("context", "model", "mapping")
OVERRIDES = "overrides"
"""Second argument of the oldest form: None beside all parameters, and all parameters beside a path."""


def adapt(
    function: Callable[..., object], where: str, given: Mapping[str, Any] | None = None
) -> Callable[[ModuleContext], object]:
    """Return the function in the form ``run(context)``.

    What an argument is given is decided by its annotation (`ModuleContext`; a path: ``processed_parameters.json``; a
    dict: all parameters; a `ModuleParameters`: those, checked), else by its name (the documented ones above), else it
    is the parameter of that name. An argument with a default that none of this fits keeps the default.

    Args:
        function: what the module has.
        where: what errors call it.
        given: values for arguments of these names, which win.

    Raises:
        BadInput: it is asynchronous, or its signature says nothing (``*args`` alone). Only when it is called: an
            argument that none of the rules gives a value.
    """
    named = f"{where}, {getattr(function, '__name__', function)}"
    if inspect.iscoroutinefunction(function):
        raise BadInput(named, found="an asynchronous function", expected="a plain one: def, not async def")
    try:
        signature = _signature(function)
    except (ValueError, TypeError) as error:
        raise BadInput(
            named, found=f"a function whose arguments cannot be read: {error}", expected="def run(context)"
        ) from None
    arguments = list(signature.parameters.values())
    own = [one for one in arguments if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if arguments and not own and not given:
        raise BadInput(
            named,
            found=f"the signature {signature}",
            expected="named arguments, such as run(context) or run(param_file)",
        )

    def call(context: ModuleContext) -> object:
        values = _values(own, dict(given or {}), context, f"{named}{signature}")
        if any(one.kind is one.VAR_KEYWORD for one in arguments):
            values = dict(given or {}) | values
        positional = [values.pop(one.name) for one in own if one.kind is one.POSITIONAL_ONLY and one.name in values]
        return function(*positional, **values)

    return call


def accepted(function: Callable[..., object]) -> frozenset[str] | None:
    """Return the names of a function's arguments; None: it takes any."""
    arguments = _signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in arguments):
        return None
    return frozenset(one.name for one in arguments if one.kind is not one.VAR_POSITIONAL)


def _signature(function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # annotations name what is not there at run time; their text must do
        return inspect.signature(function)


def _values(
    arguments: list[inspect.Parameter], given: Mapping[str, Any], context: ModuleContext, where: str
) -> dict[str, Any]:
    # Only what has to be there counts: run(path: str, verbose=False) takes one thing.
    alone = sum(one.default is one.empty for one in arguments) <= 1
    kinds = {one.name: _kind(one) for one in arguments}
    whole = "mapping" in {kind for name, kind in kinds.items() if name != OVERRIDES}
    values: dict[str, Any] = {}
    for one in arguments:
        kind = kinds[one.name]
        if one.name in given:
            values[one.name] = given[one.name]
        elif one.name == OVERRIDES and len(arguments) > 1:
            values[one.name] = None if whole else dict(context.parameters)
        elif kind is not None:
            values[one.name] = _supply(kind, one.annotation, context)
        elif one.name in context.parameters:
            values[one.name] = _as_declared(context.parameters[one.name], one.annotation)
        elif one.default is not one.empty:
            continue
        elif alone and _annotated(one.annotation) == {"path"}:
            values[one.name] = _supply("path", one.annotation, context)
        else:
            raise BadInput(
                where,
                found=f"the argument {one.name}, which could mean several things and is no parameter of the session",
                expected="context, param_file, params, or the name of a parameter",
                action="Write run(context: ModuleContext).",
            )
    return values


def _kind(argument: inspect.Parameter) -> Kind | None:
    """Return what the annotation says, else what the name says."""
    said = _annotated(argument.annotation)
    for kind in _SAID:
        if said == {kind}:
            return kind
    name = argument.name
    by_name: Kind | None = (
        "context"
        if name in CONTEXT_NAMES
        else "path"
        if name in PATH_NAMES
        else "mapping"
        if name in MAPPING_NAMES
        else None
    )
    if said and by_name is not None and by_name not in said:
        # A text or path called params is the file; anything else annotated so is none of the documented things.
        return "path" if said == {"path"} else None
    return by_name


def _annotated(annotation: Any) -> set[str]:
    """Return the kinds of value an annotation allows: context, path, mapping, model, other; empty: it says nothing."""
    if annotation in (inspect.Parameter.empty, Any, object):
        return set()
    if isinstance(annotation, str):
        return {kind for name in _names(annotation) for kind in _of_name(name)}
    if get_origin(annotation) in (Union, types.UnionType):
        return {kind for part in get_args(annotation) if part is not types.NoneType for kind in _annotated(part)}
    base = get_origin(annotation) or annotation
    if not isinstance(base, type):
        return {"other"}
    if issubclass(base, ModuleContext):
        return {"context"}
    if issubclass(base, ModuleParameters):
        return {"model"}
    if issubclass(base, (str, PurePath)) or base is os.PathLike:
        return {"path"}
    return {"mapping"} if issubclass(base, dict) or base in (Mapping, MutableMapping) else {"other"}


def _names(annotation: str) -> list[str]:
    """Return the bare names in an annotation that could only be read: of a union each, without brackets."""
    return [part.strip().rpartition(".")[2] for part in re.sub(r"\[.*\]", "", annotation).split("|")]


def _of_name(name: str) -> set[str]:
    """Return what an annotation means that only its text tells; a name that is not ours says nothing."""
    if name == "ModuleContext":
        return {"context"}
    if name in ("str", "Path", "PathLike", "PurePath"):
        return {"path"}
    return {"mapping"} if name in ("dict", "Dict", "Mapping", "MutableMapping") else set()


def _supply(kind: Kind, annotation: Any, context: ModuleContext) -> object:
    if kind == "context":
        return context
    if kind == "mapping":
        return dict(context.parameters)
    if kind == "model":
        model = next(part for part in (annotation, *get_args(annotation)) if _annotated(part) == {"model"})
        return context.read(model)
    return _as_declared(str(context.param_file), annotation)


def _as_declared(value: object, annotation: Any) -> object:
    """Return a text as a path where the annotation takes paths and no text."""
    if isinstance(value, str) and _takes(annotation, PurePath) and not _takes(annotation, str):
        return Path(value)
    return value


def _takes(annotation: Any, wanted: type) -> bool:
    if isinstance(annotation, str):
        return bool(
            {"Path", "PurePath"} & set(_names(annotation)) if wanted is PurePath else "str" in _names(annotation)
        )
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return any(isinstance(part, type) and issubclass(part, wanted) for part in parts)
