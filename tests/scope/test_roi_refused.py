"""A size of the regions that the beads cannot take."""

from types import SimpleNamespace
from typing import Any

import pytest

from opticstream.scope.commands.broadcasts import SetSettingsCommand
from opticstream.scope.settings import MagScopeSettings
from support.running_scope import QUICK, make_scope


@pytest.mark.parametrize(
    ("roi", "frozen", "holds"), [(64, True, 50), (64, False, 64), (254, False, 254), (256, False, 50)]
)
def test_processes_are_told_the_size_that_the_regions_have(roi: int, frozen: bool, holds: int) -> None:
    """Regions of one size that are cut out in another are off their beads."""
    scope: Any = make_scope()
    scope.camera_manager.camera.height = 254
    scope._collect_processes()
    scope._setup_command_registry()
    scope._make_board()
    scope.bead_roi_buffer = SimpleNamespace(replace_beads=lambda rois: None)
    told: list[Any] = []
    scope._links = dict.fromkeys(scope.processes)
    scope._hand_on = lambda command, name: told.append(command)
    scope.add_random_beads(1)
    scope.freeze_beads(frozen)
    scope._process_command(SetSettingsCommand(MagScopeSettings(QUICK | {"ROI": roi, "magnification": 2.0})))
    settings = [one.settings for one in told if isinstance(one, SetSettingsCommand)]
    assert settings and {(one["ROI"], one["magnification"]) for one in settings} == {(holds, 2.0)}
    assert scope.settings["ROI"] == scope._board.roi == holds
