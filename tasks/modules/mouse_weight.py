"""The animal's weight, asked for and written into the session's ``mouse_weight.csv``."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, model_validator

from opticstream.core.errors import BadFile
from opticstream.core.files import read_failed
from opticstream.core.operator import Question
from opticstream.rig.modules import ModuleContext, ModuleParameters, ModuleResult
from opticstream.rig.parameter_types import Number
from opticstream.tasks.modules.session_text import append_line

FILE = "mouse_weight.csv"
HEADER = "timestamp,stage,weight_g"


class MouseWeightParameters(ModuleParameters):
    """Parameters of both weight modules."""

    mouse_weight_minimum_g: Number = Field(5, gt=0, description="Least plausible weight, g.")
    mouse_weight_maximum_g: Number = Field(100, gt=0, description="Largest plausible weight, g.")
    mouse_weight_prompt: str | None = Field(None, description="What the operator is asked; absent: a sentence of ours.")

    @model_validator(mode="after")
    def _ordered(self) -> "MouseWeightParameters":
        if self.mouse_weight_minimum_g >= self.mouse_weight_maximum_g:
            raise ValueError("mouse_weight_minimum_g must be below mouse_weight_maximum_g")
        return self


def ask_weight(context: ModuleContext, when: Literal["pre", "post"]) -> ModuleResult:
    """Ask for the weight, add a row to the session's table and return it.

    Raises:
        NoAnswer: nobody answered.
        BadFile: the table is there and is none of ours.
        WriteFailed: it cannot be written.
    """
    parameters = context.read(MouseWeightParameters)
    key = f"mouse_weight_{when}_g"
    time = "before" if when == "pre" else "after"
    weight = context.ask(
        Question(
            key,
            parameters.mouse_weight_prompt or f"What does {context.subject_id} weigh {time} the experiment?",
            kind="number",
            minimum=parameters.mouse_weight_minimum_g,
            maximum=parameters.mouse_weight_maximum_g,
            unit="g",
        )
    )
    path = context.session_folder / FILE
    _check(context)
    append_line(path, f"{datetime.now(UTC).isoformat(timespec='seconds')},{when},{weight:g}", header=HEADER)
    return ModuleResult(
        message=f"{weight:g} g {time} the experiment",
        values={"mouse_weight_g": weight},
        experiment_data={key: weight},
    )


def _check(context: ModuleContext) -> None:
    path = context.session_folder / FILE
    try:
        first = path.read_bytes().partition(b"\n")[0].strip().decode("utf-8-sig", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise read_failed(path, error) from None
    if first and first != HEADER:
        raise BadFile(str(path), found=f"the first line {first[:80]!r}", expected=HEADER)
