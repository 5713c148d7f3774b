"""Write docs/reference/modules.md from what the modules declare; with ``--check`` say whether it is up to date."""

import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "modules.md"
_STAGE = {"pre_acquisition": "before the acquisition", "post_acquisition": "after it"}
_HEAD = """<!-- Made by `make docs` from the modules themselves; edit their docstrings and parameters instead. -->

# Modules

A module is one step of a session, before the acquisition (`pre_acquisition_pipeline`) or after it
(`post_acquisition_pipeline`):

    "pre_acquisition_pipeline": [
      "mouse_weight_pre_prompt",
      {"module_path": "disk_space_check", "module_parameters": {"required_free_gb": 200}}
    ]

Its parameters stand in the parameter file, or in its own `module_parameters`, which win. A question that a module asks
is answered beforehand by a parameter of the question's key. Relative files are in the session folder.

`opticstream modules list` names what is installed, with the modules of other packages; `opticstream modules show NAME`
shows one of them as this page does; `opticstream modules run NAME --session DIR` runs one by hand.

## Modules of your own

Any function of these forms is a module, called `run`, `run_pre_acquisition` or `run_post_acquisition`:

| form | what it is given |
|---|---|
| `run(context: ModuleContext)` | all there is to know: parameters, folders, operator, log |
| `run(param_file)` | path of the session's `processed_parameters.json` |
| `run(params)`, or annotated as a dict | all parameters, those of the step over those of the session |
| `run(param_source, overrides)` | all parameters, and `None` |
| `run()` | nothing |

An annotation says more than a name. An argument of any other name is given the parameter of that name, and it is an
error where there is none. `0`, `None`, `True` and a successful `ModuleResult` are success; all else, `1` and `False`
too, is failure, and so is an exception.

A file of the experiment's repository is a step with `"module_type": "script_module"`. An installed package brings
modules by entry points: a folder of them by `opticstream.module_packages`, named after the stage, or single ones by
`opticstream.modules`. A module stands in the stage of its folder, or in those that its constant `STAGES` names.

    [project.entry-points."opticstream.module_packages"]
    pre_acquisition = "our_lab.before"

    [project.entry-points."opticstream.modules"]
    reward_check = "our_lab.reward:check"
"""


def render() -> str:
    """Return the page: every module of ours with its parameters."""
    from opticstream.rig.modules import ModuleDescription, describe, list_modules
    from opticstream.rig.modules.module import BUILT_IN

    def section(one: ModuleDescription) -> list[str]:
        stages = ", ".join(_STAGE[stage] for stage in one.stages)
        lines = [f"## {one.name}", "", f"{_text(one.summary)} *Stands {stages}.*"]
        if one.text:
            lines += ["", _text(one.text)]
        if one.parameters:
            lines += ["", "| parameter | type | default | meaning |", "|---|---|---|---|"]
        for row in one.parameters:
            names = " or ".join(f"`{name}`" for name in (row.name, *row.spellings))
            default = "required" if row.required else f"`{row.default}`" if row.default else ""
            lines.append(f"| {names} | {_cell(row.type)} | {_cell(default)} | {_cell(row.description)} |")
        return [*lines, ""]

    modules = [describe(module) for module in list_modules() if module.distribution == BUILT_IN]
    body = "\n".join(line for module in modules for line in section(module))
    return f"{_HEAD}\n{body.rstrip()}\n"


def _text(text: str) -> str:
    """Return a docstring as Markdown: its literals, and the modules it names."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    from _generated_page import write_or_check

    sys.exit(write_or_check(PAGE, render, "modules", sys.argv[1:]))
