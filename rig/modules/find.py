"""Which modules are installed: ours, and those that other packages bring by entry points."""

import importlib.util
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from opticstream.core.errors import BadInput
from opticstream.rig.modules.lacking import LACKING, Lacking
from opticstream.rig.modules.module import STAGES, Module, read_source
from opticstream.rig.pipeline_entry import Stage

PACKAGES = "opticstream.module_packages"
"""Entry points to packages whose files are modules: ``pre_acquisition = "lab.modules.before"``. The name up to its
first dot is the stage."""
SINGLE = "opticstream.modules"
"""Entry points to single modules: ``reward_check = "lab.reward"`` or ``"lab.reward:check"``, for both stages;
``pre_acquisition.reward_check`` for one."""


def find_module(stage: Stage, name: str) -> Module:
    """Return a module by its name.

    Args:
        stage: where it is to run. A module of the other stage is found only if its ``STAGES`` names this one too.
        name: as a pipeline gives it.

    Raises:
        Lacking: a known name that this version does not have.
        BadInput: no module has the name, with those that are close; it belongs to the other stage; or two packages
            bring one of that name.
    """
    every = list_modules()
    named = [module for module in every if module.name == name]
    found = [module for module in named if stage in module.stages]
    if len(found) == 1:
        return found[0]
    if found:
        places = " and ".join(f"{module.target} of {module.distribution}" for module in found)
        raise BadInput(f"module {name}", found=places, expected="one module of that name", action="Remove one package.")
    if named:
        raise BadInput(
            f"module {name}", found=f"a module of {', '.join(named[0].stages)}", expected=f"a module of {stage}"
        )
    if name in LACKING:
        raise Lacking.of(name)
    raise _unknown(stage, name, every)


def list_modules(stage: Stage | None = None) -> list[Module]:
    """Return every installed module that may stand in a stage (None: in any), by name; none is imported."""
    return [module for module in _installed() if stage is None or stage in module.stages]


def forget_modules() -> None:
    """Look again which modules are installed, at the next question."""
    _installed.cache_clear()


@lru_cache(maxsize=1)
def _installed() -> tuple[Module, ...]:
    found = {(module.name, module.target): module for module in (*_of_packages(), *_single())}
    return tuple(sorted(found.values(), key=lambda module: (module.name, module.target)))


def _of_packages() -> Iterator[Module]:
    for point in entry_points(group=PACKAGES):
        stage = next((stage for stage in STAGES if stage == point.name.partition(".")[0]), None)
        if stage is None:
            raise BadInput(
                f"entry point {PACKAGES}, {point.name}, of {_distribution(point)}",
                found=repr(point.name),
                expected=" or ".join(STAGES),
            )
        for file in _files(point.value):
            stages = read_source(file).stages
            yield Module(file.stem, f"{point.value}.{file.stem}", _distribution(point), stages or (stage,))


def _single() -> Iterator[Module]:
    for point in entry_points(group=SINGLE):
        first, dot, rest = point.name.partition(".")
        own = tuple(stage for stage in STAGES if stage == first and dot)
        target = point.value.partition("[")[0].replace(" ", "")
        yield Module(rest if own else point.name, target, _distribution(point), own or STAGES)


def _files(package: str) -> Iterator[Path]:
    """Yield the files of a package that are modules; only the packages around it are imported."""
    try:
        spec = importlib.util.find_spec(package)
    except Exception:  # a lab's package that does not import must not hide all others
        spec = None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        files = Path(folder).glob("*.py")
        yield from (file for file in files if not file.name.startswith("_") and file.stem.isidentifier())


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unnamed package"


def _unknown(stage: Stage, name: str, every: list[Module]) -> BadInput:
    names = {module.name: module for module in every}
    low = {known.lower(): known for known in [*names, *LACKING]}
    close = [low[word] for word in get_close_matches(name.lower(), low, n=3, cutoff=0.6)]
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return BadInput(
        f"module {name}",
        found="a name that no installed module has",
        expected=f"a module for {stage}",
        action=f"{hint}`opticstream modules list` names them all; a file of the repository is a script_module.",
    )
