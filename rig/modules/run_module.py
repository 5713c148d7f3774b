"""One attempt at one step of a pipeline."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from opticstream.core.deadline import within
from opticstream.core.errors import OpticstreamError
from opticstream.rig.modules.contract import ModuleContext, ModuleFailed, ModuleResult
from opticstream.rig.modules.find import find_module
from opticstream.rig.modules.judge import judge
from opticstream.rig.modules.script import find_script
from opticstream.rig.pipeline_entry import PipelineEntry, Stage


class Callee(Protocol):
    """What a step runs: an installed module or a script."""

    @property
    def name(self) -> str:
        """Return what it is called."""

    def call(self, context: ModuleContext, entry: PipelineEntry) -> object:
        """Run it and return what it returns."""


def find_callee(entry: PipelineEntry, stage: Stage, repository: Path | None) -> Callee:
    """Return what a pipeline's entry runs.

    Args:
        entry: the step.
        stage: where it stands.
        repository: checkout of the experiment's code, for scripts.

    Raises:
        Lacking: a known module that this version does not have.
        BadInput: there is no such module or script.
    """
    if entry.module_type == "script_module":
        return find_script(entry, repository)
    return find_module(stage, entry.module_path)


def run_entry(entry: PipelineEntry, module: Callee, context: ModuleContext) -> ModuleResult:
    """Run a module once, and judge what it returns.

    One with a time limit runs in a thread of its own and is given up after it; its questions are withdrawn then too.

    Args:
        entry: the step; its ``timeout_sec`` is the limit, 0: none.
        module: what it runs.
        context: what the module is given.

    Returns:
        The result; not successful when the module returned a failure.

    Raises:
        ModuleFailed: it raised an exception (the cause), or took too long (the cause is a TimeoutError).
        KeyboardInterrupt: the operator ends the session.
    """
    limit = entry.timeout_sec
    if limit:
        context = replace(context, timeout_s=min(limit, context.timeout_s or limit))
    try:
        if not limit:
            return judge(_returned(module, context, entry))
        return judge(within(limit, lambda: _returned(module, context, entry), f"module-{module.name}"))
    except ModuleFailed:
        raise
    except Exception as error:
        raise _failed(module.name, error, limit) from error


def _returned(module: Callee, context: ModuleContext, entry: PipelineEntry) -> object:
    try:
        return module.call(context, entry)
    except SystemExit as end:  # scripts that were programs end so; nothing else is to end with them
        return end.code


def _failed(name: str, error: Exception, limit: float) -> ModuleFailed:
    if isinstance(error, OpticstreamError):
        return ModuleFailed(error.where, found=error.found, expected=error.expected, action=error.action)
    if isinstance(error, TimeoutError) and limit and str(error).startswith("no end after"):
        return ModuleFailed(f"module {name}", found=str(error), expected=f"an end within timeout_sec = {limit:g}")
    return ModuleFailed(f"module {name}", found=f"{type(error).__name__}: {error}".rstrip(": "))
