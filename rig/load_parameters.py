"""From rig configuration, parameter file, ``--set`` and the operator's answers to one set of parameters."""

import copy
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed
from opticstream.core.settings import Settings
from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.json_object import check_depth, read_json_object
from opticstream.rig.loaded import LATER, Layer, Loaded
from opticstream.rig.overrides import apply_overrides
from opticstream.rig.parameter_checks import contradictions, problems_of, unread
from opticstream.rig.parameter_names import documented, hints, renamed
from opticstream.rig.parameters import PIPELINES, REQUIRED, SECRETS, LaunchParameters, inferred_launcher, sync_role
from opticstream.rig.pipeline_entry import unread_keys
from opticstream.rig.placeholders import Placeholders
from opticstream.rig.rig_config import RigConfig, load_rig_config

_FIELDS = LaunchParameters.model_fields


def load_parameters(
    source: Path | Mapping[str, Any] | LaunchParameters | None,
    rig_config: RigConfig | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    answers: Mapping[str, Any] | None = None,
    *,
    settings: Settings | None = None,
    create_rig_config: bool = True,
) -> Loaded:
    """Read and join a launch's parameters; nothing but a first rig configuration is written.

    A key of a later layer replaces that of an earlier one: rig configuration, file, overrides, answers. The session's
    folder and name, and a subject nobody has named yet, are filled in by `Loaded.resolve`.

    Args:
        source: the parameter file, or parameters as the run form gives them; None: none, all comes from elsewhere.
        rig_config: this rig's configuration or its file; None: the file that ``rig_config_path`` names, else that of
            the usual place.
        overrides: values by key, see `opticstream.rig.overrides`.
        answers: what the operator said, by key; blank answers are none.
        settings: tell the usual place of the rig configuration; default: those of this process.
        create_rig_config: write a first rig configuration at the usual place when none is there.

    Raises:
        BadParameters: naming everything that is wrong with them.
        BadFile: the file cannot be read or is no JSON object; or the rig configuration cannot be used.
    """
    file = source if isinstance(source, Path) else None
    where = str(file) if file else "parameters"
    raw, given = _read(source, where)
    problems: list[Problem] = []
    layer = renamed(given, _FIELDS, problems)
    overrides = dict(overrides or {})
    if not isinstance(rig_config, RigConfig):
        named = rig_config or _named_rig_config(layer, overrides, file)
        rig_config = load_rig_config(named, settings=settings, create=create_rig_config)
    rig_layer = renamed(rig_config.values, _FIELDS, problems)
    answered = renamed(answers or {}, _FIELDS, problems)

    merged = copy.deepcopy({**rig_layer, **layer})
    sources: dict[str, Layer] = dict.fromkeys(rig_layer, "rig")
    sources |= dict.fromkeys(layer, "file")
    for key in apply_overrides(merged, overrides, problems).values():
        if key in merged or "." in key:
            sources[key] = "set"
        else:
            sources.pop(key, None)
    merged |= answered
    sources |= dict.fromkeys(answered, "answer")
    # What a rig always has in its file says nothing about this session, unless it names the launcher itself.
    own = {key: value for key, value in merged.items() if sources.get(key, "set") != "rig"}
    merged.setdefault("launcher", inferred_launcher(own))

    merged.setdefault("rig_id", rig_config.rig_id)
    sources.setdefault("rig_id", "rig")

    later = LATER | frozenset(key for key in REQUIRED if key not in merged)
    expander = Placeholders(merged, rig_config.values, environment=os.environ, later=later, windows=os.name == "nt")
    values = expander.expand_all()
    problems += expander.problems
    parameters, ignored = _validated(values, problems, unresolved={problem.key for problem in problems})
    if problems or parameters is None:
        order = list(merged)
        problems.sort(key=lambda problem: _rank(order, problem.key))
        raise BadParameters(where, [_told(problem, sources, rig_config) for problem in problems])
    spelled = {name: documented(name) for name in {**rig_config.values, **given} if documented(name) != name}
    return Loaded(
        parameters=parameters,
        template=merged,
        ignored=frozenset(ignored),
        raw=raw,
        file=file,
        rig=rig_config,
        sources=sources,
        spelled={name: key for name, key in spelled.items() if key in merged},
        warnings=(*_warnings(merged, given, rig_config, parameters, layer), *expander.warnings, *ignored.values()),
        unanswered=tuple(key for key in REQUIRED if key not in merged),
    )


def _read(source: Path | Mapping[str, Any] | LaunchParameters | None, where: str) -> tuple[bytes, dict[str, Any]]:
    """Return the input as it was given, and what it says."""
    if isinstance(source, Path):
        try:
            content = source.read_bytes()
        except OSError as error:
            raise read_failed(source, error) from None
        return content, read_json_object(content, where)
    given = source.given(secrets=True) if isinstance(source, LaunchParameters) else dict(source or {})
    check_depth(given, where)
    try:
        # Through JSON and back, so that a form's values are held to what a file's are.
        content = json.dumps({key: value for key, value in given.items() if key not in SECRETS}, indent=2).encode()
        checked = read_json_object(content, where)
    except (TypeError, ValueError) as error:
        raise BadFile(where, found=str(error), expected="values that JSON can hold") from None
    return content, checked | {key: given[key] for key in SECRETS if key in given}


def _named_rig_config(layer: Mapping[str, Any], overrides: Mapping[str, Any], file: Path | None) -> Path | None:
    name = overrides.get("rig_config_path", layer.get("rig_config_path"))
    if not isinstance(name, str) or not name.strip():
        return None
    path = Path(name).expanduser()
    return file.parent / path if file and not path.is_absolute() else path


def _validated(
    values: dict[str, Any], problems: list[Problem], unresolved: set[str]
) -> tuple[LaunchParameters | None, dict[str, str]]:
    """Return the parameters, or None after adding problems; and a warning for each unread key that was left out."""
    launcher = str(values["launcher"]).lower()
    problems += [problem for problem in contradictions(values, launcher) if problem.key not in unresolved]
    try:
        return LaunchParameters.model_validate(values), {}
    except ValidationError as error:
        found = list(problems_of(error, values))
    spare = unread(values, launcher)
    ignored = {
        _top(problem.key): f"{problem}; not read by this launch, so left out"
        for problem in found
        if _top(problem.key) in spare
    }
    serious = [problem for problem in found if _top(problem.key) not in ignored]
    problems += [problem for problem in serious if problem.key not in unresolved]
    if serious:
        return None, ignored
    return LaunchParameters.model_validate({key: item for key, item in values.items() if key not in ignored}), ignored


def _top(key: str) -> str:
    return key.partition(".")[0].partition("[")[0]


def _told(problem: Problem, sources: Mapping[str, Layer], rig: RigConfig) -> Problem:
    """Say where a value comes from that is not in the parameter file."""
    layer = sources.get(_top(problem.key))
    origin = {"rig": f" in {rig.path or 'the rig configuration'}", "set": " from --set", "answer": " as answer"}.get(
        layer or "", ""
    )
    return Problem(problem.key, problem.found + origin, problem.expected)


def _rank(order: list[str], key: str) -> int:
    name = _top(key)
    return order.index(name) if name in order else len(order)


def _warnings(
    merged: Mapping[str, Any],
    given: Mapping[str, Any],
    rig: RigConfig,
    parameters: LaunchParameters,
    layer: Mapping[str, Any],
) -> Iterator[str]:
    yield from hints([key for key in merged if key not in _FIELDS], _FIELDS)
    for stage in PIPELINES:
        for index, entry in enumerate(merged.get(stage, ())):
            keys = ", ".join(unread_keys(entry))
            if keys:
                yield f"{stage}[{index}]: nothing reads {keys}"
    role = parameters.session_sync_role
    if role and sync_role(role) is None and role.strip().lower() not in ("none", "disabled", "off"):
        yield f"session_sync_role is {role!r}, neither master nor slave: session sync is off"
    if SECRETS & {*layer, *rig.values}:
        yield "session_sync_secret stands in a file, and input_parameters.json copies what it reads"
    if parameters.repository_url and not parameters.local_repository_path:
        yield "repository_url without local_repository_path: the repository is not used"
    workflow, script = parameters.workflow_path, parameters.script_path
    if parameters.launcher == "bonsai" and workflow and script and workflow != script:
        yield f"both workflow_path and script_path are given; Bonsai runs {workflow}"
    if parameters.launcher == "base" and script:
        yield "launcher base does not run script_path; give command, or another launcher"
