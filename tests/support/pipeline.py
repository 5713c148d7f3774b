"""What a module's tests need: somebody to ask, and a session to run in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opticstream.core.operator import NoAnswer, Question, Value
from opticstream.core.settings import load_settings
from opticstream.rig import PipelineEntry
from opticstream.rig.modules import ModuleContext, ModuleResult, find_module, run_entry
from opticstream.rig.pipeline_entry import Stage


@dataclass
class Desk:
    """An operator who answers from notes; who has none for a question is not there, as the headless one."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    name: str = "desk"

    def __post_init__(self) -> None:
        self._left = {key: list(value) if isinstance(value, list) else [value] for key, value in self.answers.items()}

    def ask(self, question: Question, timeout_s: float | None = None) -> Value:
        self.asked.append(question)
        if self._left.get(question.key):
            return question.value(self._left[question.key].pop(0))
        if question.default is not None or not question.required:
            return question.default
        raise NoAnswer(question.key, found="nobody to ask", expected=question.expected)

    def tell(self, text: str) -> None:
        self.told.append(text)


def session_folder(root: Path, parameters: Mapping[str, Any], name: str = "m1_2025-01-02_03-04-05") -> Path:
    """Make a session's folder as a launch leaves it, and return it."""
    folder = root / name
    metadata = folder / "launcher_metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    document = {"subject_id": "m1", "user_id": "u1", "session_uuid": name, **parameters}
    (metadata / "processed_parameters.json").write_text(json.dumps(document), "utf-8")
    return folder


def module_context(
    root: Path,
    name: str = "module",
    stage: Stage = "pre_acquisition",
    operator: Desk | None = None,
    more: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> ModuleContext:
    """Return what a module of a session below ``root`` is given; ``more`` are fields of the context."""
    folder = session_folder(root, parameters)
    return ModuleContext(
        **{
            "stage": stage,
            "name": name,
            "parameters": {"subject_id": "m1", "user_id": "u1", **parameters},
            "session_folder": folder,
            "metadata_folder": folder / "launcher_metadata",
            "param_file": folder / "launcher_metadata" / "processed_parameters.json",
            "session_name": folder.name,
            "subject_id": "m1",
            "user_id": "u1",
            "rig_id": "rig-3",
            "operator": operator or Desk(),
            "settings": load_settings(home=root / "home"),
            "start_time": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
            **(more or {}),
        }
    )


def run_module(root: Path, name: str, operator: Desk | None = None, **parameters: Any) -> ModuleResult:
    """Run a module of ours as a launch does."""
    stage: Stage = "post_acquisition" if "post" in name or "finalize" in name else "pre_acquisition"
    context = module_context(root, name, stage, operator, **parameters)
    return run_entry(PipelineEntry(module_path=name), find_module(stage, name), context)
