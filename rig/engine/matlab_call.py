"""Which MATLAB function is called, and with what."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from opticstream.core.errors import BadInput

_log = logging.getLogger("opticstream.rig")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
SLAP2 = "slap2_launcher"
Stage = Literal["start", "completion"]
"""Where a resumed call goes on: before the acquisition was started, or when it had only to be confirmed."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function of MATLAB's, its arguments, and how many results it gives."""

    function: str
    arguments: tuple[Any, ...] = ()
    nargout: int = 0


@dataclass(frozen=True, slots=True)
class MatlabCall:
    """The entry point of an acquisition and its arguments.

    Raises:
        BadInput: the entry point is no function's name, or an argument cannot be passed.
    """

    entrypoint: str = SLAP2
    """``matlab_entrypoint`` or ``matlab_function``."""

    args: Sequence[Any] | None = None
    """Positional arguments; None: ``execute`` for slap2_launcher, nothing otherwise."""

    session_folder: Path | None = None
    pass_session_folder: bool = True
    session_folder_position: Literal["append", "prepend", "ignore"] | int = "append"
    """Where among the positional arguments the session folder goes."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    """``script_parameters``: passed as name, value pairs; what is None is left out."""

    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """``matlab_entrypoint_kwargs``: more pairs; they replace values of the same name in its place."""

    rig_description_path: str | None = None
    """Passed as the pair ``rig_description_path``, unless the pairs have it."""

    nargout: int = 0
    enable_resume: bool = True
    """Whether the entry point is told by a pair whether it is resumed."""

    resume_keyword: str = "resume"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.entrypoint):
            raise BadInput("matlab_entrypoint", found=repr(self.entrypoint), expected="a function's name, such as a.b")
        if self.nargout < 0:
            raise BadInput("matlab_entrypoint_nargout", found=str(self.nargout), expected="0 or more")
        position = self.session_folder_position
        if position not in ("append", "prepend", "ignore") and not (isinstance(position, int) and position >= 0):
            raise BadInput(
                "matlab_session_folder_position",
                found=repr(position),
                expected="append, prepend, ignore or a number from 0",
            )
        self.arguments()

    @property
    def is_slap2(self) -> bool:
        """Whether the entry point is the launcher window of SLAP2, which takes helper calls."""
        return self.entrypoint.lower() == SLAP2

    def arguments(self, stage: Stage | None = None) -> tuple[Any, ...]:
        """Return all arguments.

        Args:
            stage: where a resumed call goes on; None: the first call.
        """
        positional = list(self.args) if self.args is not None else ["execute"] if self.is_slap2 else []
        if self.session_folder is not None and self.pass_session_folder:
            position = self.session_folder_position
            if position != "ignore":
                at = {"append": len(positional), "prepend": 0}.get(str(position), position)
                positional.insert(int(at), str(self.session_folder))
        pairs = {name: value for name, value in {**self.parameters, **self.kwargs}.items() if value is not None}
        if self.rig_description_path is not None:
            pairs.setdefault("rig_description_path", self.rig_description_path)
        words = [*positional, *(word for pair in pairs.items() for word in pair)]
        return tuple(_plain(word, self.entrypoint) for word in [*words, *self._resume(words, stage)])

    def prelude(self, attempt: int, stage: Stage | None) -> tuple[FunctionCall, ...]:
        """Return what is called before the entry point: SLAP2's window is asked who it is and told what comes."""
        if not self.is_slap2:
            return ()
        verb = "Starting" if stage is None else "Resuming"
        status = f"{verb} MATLAB entry point '{self.entrypoint}' (attempt {attempt})"
        return (
            FunctionCall(SLAP2, ("helper_register",), 1),
            FunctionCall(SLAP2, ("helper_set_python_start_time",)),
            FunctionCall(SLAP2, ("helper_set_status", status)),
        )

    def main(self, stage: Stage | None = None) -> FunctionCall:
        """Return the call of the entry point itself."""
        return FunctionCall(self.entrypoint, self.arguments(stage), self.nargout)

    def _resume(self, words: Sequence[Any], stage: Stage | None) -> list[Any]:
        if not self.enable_resume:
            return []
        if any(isinstance(word, str) and word.lower() == self.resume_keyword.lower() for word in words):
            if stage is None:
                _log.warning("The arguments already have %r; resuming by itself is off", self.resume_keyword)
            return []
        if stage is None:
            return [self.resume_keyword, False]
        return [self.resume_keyword, True, f"{self.resume_keyword}_stage", stage]


def _plain(value: Any, where: str) -> Any:
    """Return a value as MATLAB can take it; paths become texts, tuples lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    raise BadInput(
        f"arguments of {where}",
        found=f"{value!r} ({type(value).__name__})",
        expected="texts, numbers, true, false, lists and objects of them",
    )
