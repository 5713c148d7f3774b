"""Whether the modules that a launch names are there, told together with everything else that is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.settings import Settings
from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.json_object import read_json_object
from opticstream.rig.launcher.request import Source
from opticstream.rig.load_parameters import load_parameters
from opticstream.rig.loaded import Loaded
from opticstream.rig.modules.find import find_module
from opticstream.rig.modules.lacking import Lacking
from opticstream.rig.modules.module import STAGES
from opticstream.rig.parameters import LaunchParameters
from opticstream.rig.pipeline_entry import Entry, PipelineEntry, Stage

_ENTRY: TypeAdapter[PipelineEntry] = TypeAdapter(Entry)


def load_source(
    source: Source, settings: Settings, answers: Mapping[str, Any] | None = None, *, create_rig_config: bool = True
) -> Loaded:
    """Read and join a launch's parameters; where they cannot be used, modules that are not there are named as well.

    Raises:
        BadParameters: naming everything that is wrong.
        BadFile: a file cannot be read.
    """
    try:
        return load_parameters(
            source.parameters,
            source.rig_config,
            source.overrides,
            answers,
            settings=settings,
            create_rig_config=create_rig_config,
        )
    except BadParameters as error:
        more = [problem for stage in STAGES for problem in _problems(stage, _raw_entries(source, stage), lacking=True)]
        raise BadParameters(error.where, [*error.problems, *more]) from None


def module_problems(parameters: LaunchParameters, *, lacking: bool = True) -> list[Problem]:
    """Return what is wrong with the names of modules, without importing them.

    Args:
        parameters: of a launch.
        lacking: also name modules that older launchers had and this one does not.
    """
    return [
        problem
        for stage in STAGES
        for problem in _problems(stage, enumerate(getattr(parameters, f"{stage}_pipeline")), lacking=lacking)
    ]


def _raw_entries(source: Source, stage: Stage) -> Iterator[tuple[int, PipelineEntry]]:
    """Yield those entries of a pipeline that can be read, from parameters that cannot be used."""
    given = source.parameters
    if isinstance(given, Path):
        given = read_json_object(given.read_bytes(), str(given))
    key = f"{stage}_pipeline"
    raw = given.get(key) if isinstance(given, (Mapping, LaunchParameters)) else None
    for index, item in enumerate(raw if isinstance(raw, (list, tuple)) else ()):
        try:
            yield index, _ENTRY.validate_python(item)
        except ValidationError:
            continue  # that is one of the problems already


def _problems(stage: Stage, entries: Iterable[tuple[int, PipelineEntry]], *, lacking: bool) -> Iterator[Problem]:
    for index, entry in entries:
        if entry.module_type != "launcher_module":
            continue
        try:
            find_module(stage, entry.module_path)
        except BadInput as error:
            if lacking or not isinstance(error, Lacking):
                expected = f"{error.expected}. {error.action}" if error.action else error.expected
                yield Problem(f"{stage}_pipeline[{index}]", f"{entry.module_path}, {error.found}", expected)
