"""What MATLAB is called with."""

from pathlib import Path
from typing import Any

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig.engine import MatlabCall
from opticstream.rig.engine.matlab_loss import can_be_resumed, resume_stage

FOLDER = Path("/data/mouse_1")


def test_slap2_needs_nothing_but_the_folder() -> None:
    call = MatlabCall(session_folder=FOLDER, parameters={"rig": "C:/rig.json", "gone": None}, kwargs={"n": 2})
    assert call.arguments() == ("execute", str(FOLDER), "rig", "C:/rig.json", "n", 2, "resume", False)
    assert call.arguments("start")[-4:] == ("resume", True, "resume_stage", "start")
    assert [each.arguments[0] for each in call.prelude(1, None)] == [
        *("helper_register", "helper_set_python_start_time", "helper_set_status"),
    ]
    assert call.prelude(2, "start")[-1].arguments[1].startswith("Resuming")
    assert call.main().nargout == 0


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("append", ("a", "b", "F")),
        ("prepend", ("F", "a", "b")),
        ("ignore", ("a", "b")),
        (0, ("F", "a", "b")),
        (1, ("a", "F", "b")),
        (9, ("a", "b", "F")),
    ],
)
def test_the_folder_goes_where_it_should(position: Any, expected: tuple[str, ...]) -> None:
    call = MatlabCall(
        "my.entry", ["a", "b"], Path("F"), session_folder_position=position, parameters={"k": 1}, enable_resume=False
    )
    assert call.arguments() == (*expected, "k", 1)
    assert call.prelude(1, None) == ()


def test_the_folder_can_be_left_out() -> None:
    assert MatlabCall("entry", session_folder=FOLDER, pass_session_folder=False).arguments() == ("resume", False)


def test_later_pairs_replace_in_place() -> None:
    call = MatlabCall("e", parameters={"a": 1, "b": 2}, kwargs={"a": 3}, rig_description_path="r", enable_resume=False)
    assert call.arguments() == ("a", 3, "b", 2, "rig_description_path", "r")
    given = MatlabCall("e", kwargs={"rig_description_path": "own"}, rig_description_path="r", enable_resume=False)
    assert given.arguments() == ("rig_description_path", "own")


def test_a_resume_of_ones_own_switches_ours_off(caplog: pytest.LogCaptureFixture) -> None:
    assert MatlabCall("e", ["Resume", True]).arguments() == ("Resume", True)
    assert "resuming by itself is off" in caplog.text


def test_values_are_made_plain() -> None:
    call = MatlabCall("e", [Path("p"), (1, Path("q")), {"k": (True,)}], enable_resume=False)
    assert call.arguments() == ("p", [1, "q"], {"k": [True]})


@pytest.mark.parametrize(
    "bad",
    [
        {"entrypoint": "a; system('x')"},
        {"entrypoint": ""},
        {"nargout": -1},
        {"session_folder_position": "middle"},
        {"args": [object()]},
        {"parameters": {"x": [None]}},
    ],
)
def test_what_cannot_be_called_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        MatlabCall(**bad)


@pytest.mark.parametrize(
    ("text", "lost", "stage"),
    [
        ("The engine has terminated unexpectedly", True, "start"),
        ("error: SLAP2:MatlabLauncher:UIUnavailable: window", True, "start"),
        ("SLAP2:MatlabLauncher:CompletionNotConfirmed", True, "completion"),
        ("Undefined function 'x'", False, "start"),
    ],
)
def test_what_an_error_means(text: str, lost: bool, stage: str) -> None:
    assert (can_be_resumed(text), resume_stage(text)) == (lost, stage)
    assert can_be_resumed("anything", ConnectionResetError("anything"))
