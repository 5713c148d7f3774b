"""One step of a pre- or post-acquisition pipeline, in whichever form it was written."""

from collections.abc import Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from opticstream.rig.parameter_types import Seconds, Values, Whole

Stage = Literal["pre_acquisition", "post_acquisition"]
FailurePolicy = Literal["continue", "abort", "prompt"]

_SPELLINGS = {
    "type": "module_type",
    "repo_relative_path": "module_path",
    "failure_policy": "on_failure",
    "fail_policy": "on_failure",
    "fail_action": "on_failure",
    "timeout": "timeout_sec",
    "timeout_seconds": "timeout_sec",
    "retry_delay": "retry_delay_sec",
    "retry_delay_seconds": "retry_delay_sec",
}
_REPOSITORY_FORM = ("function", "kwargs")
"""Keys of the oldest form, which had no ``module_parameters``."""


class PipelineEntry(BaseModel):
    """One step of a pipeline: which module, with which parameters, and what happens when it fails."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    module_type: Literal["launcher_module", "script_module"] = Field(
        "launcher_module", description="launcher_module: a module by its name; script_module: a file of the repository."
    )
    module_path: str = Field(min_length=1, description="Name of the module, or path of the script in the repository.")
    module_parameters: Values = Field(
        default_factory=dict, description="Values for this step alone; they win over those of the session."
    )
    module_schema: str | None = Field(None, description="Address of a JSON schema; kept, never fetched.")
    on_failure: FailurePolicy | None = Field(
        None, description="continue, abort or prompt; not given: abort before the acquisition, continue after it."
    )
    run: Literal["on_success", "always"] = Field(
        "on_success", description="always: also after a failed, aborted or interrupted acquisition."
    )
    retries: Annotated[Whole, Field(ge=0)] = Field(0, description="How often a failed step is tried again.")
    retry_delay_sec: Seconds = Field(0, description="Wait before each retry, seconds.")
    timeout_sec: Seconds = Field(0, description="Longest time one attempt may take, seconds; 0: no limit.")

    @property
    def name(self) -> str:
        """Return what the step is called: the module's name, or the script's without folder and ending."""
        return self.module_path if self.module_type == "launcher_module" else PureWindowsPath(self.module_path).stem

    @property
    def function(self) -> str | None:
        """Return which function of a script is asked for; None: its usual entry point."""
        return self.module_parameters.get("function")

    @property
    def function_args(self) -> Mapping[str, Any] | None:
        """Return the arguments for a script's function; None: the usual ones."""
        return self.module_parameters.get("function_args")

    def policy(self, stage: Stage) -> FailurePolicy:
        """Return what happens when the step fails in this stage."""
        return self.on_failure or ("abort" if stage == "pre_acquisition" else "continue")


def _parse(value: object) -> object:
    """Bring every form to the one with ``module_type``, ``module_path`` and ``module_parameters``."""
    if isinstance(value, PipelineEntry):
        return value
    if isinstance(value, str):
        return {"module_path": value.strip()}
    if not isinstance(value, Mapping):
        raise ValueError("the name of a module, or an object with module_path")
    found = _under_documented_names(value)
    if found.get("module_type") == "repo_module":
        _from_repository_form(found)
    if isinstance(found.get("on_failure"), str):
        found["on_failure"] = found["on_failure"].strip().lower()
    if found.pop("abort_on_fail", False) is True and found.setdefault("on_failure", "abort") != "abort":
        raise ValueError(f"either abort_on_fail or on_failure = {found['on_failure']!r}")
    for key in ("function", "function_args"):
        _check_function(key, found.get("module_parameters"))
    return found


def _under_documented_names(value: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spelling, item in value.items():
        name = _SPELLINGS.get(spelling, spelling)
        if item is None:
            continue
        if name in found and found[name] != item:
            raise ValueError(f"{name} given once; {spelling} is another spelling of it")
        found[name] = item
    return found


def _from_repository_form(found: dict[str, Any]) -> None:
    found["module_type"] = "script_module"
    parameters = dict(found.get("module_parameters") or {})
    if "function" in found:
        parameters["function"] = found.pop("function")
    if "kwargs" in found:
        parameters["function_args"] = found.pop("kwargs")
    found["module_parameters"] = parameters


def _check_function(key: str, parameters: object) -> None:
    value = parameters.get(key) if isinstance(parameters, Mapping) else None
    if key == "function" and value is not None and not isinstance(value, str):
        raise ValueError("module_parameters.function: the name of a function")
    if key == "function_args" and value is not None and not isinstance(value, Mapping):
        raise ValueError("module_parameters.function_args: an object")


def unread_keys(value: object) -> Iterator[str]:
    """Yield the keys of one entry, as written, that nothing reads."""
    if not isinstance(value, Mapping):
        return
    read = {*PipelineEntry.model_fields, *_SPELLINGS, "abort_on_fail"}
    if value.get("type", value.get("module_type")) == "repo_module":
        read.update(_REPOSITORY_FORM)
    yield from (key for key in value if key not in read)


Entry = Annotated[PipelineEntry, BeforeValidator(_parse, json_schema_input_type=str | PipelineEntry)]
