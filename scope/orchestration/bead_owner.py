"""The beads, which the scope itself owns."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opticstream.core.errors import BadInput
from opticstream.scope.beads import BeadBoard, BeadChange, read_bead_file
from opticstream.scope.commands.broadcasts import UpdateBeadRoisCommand
from opticstream.scope.commands.locks import BeadsRenumberedCommand
from opticstream.scope.commands.scope import (
    AddBeadsCommand,
    AddRandomBeadsCommand,
    ClearBeadsCommand,
    FindBeadsCommand,
    FreezeBeadsCommand,
    MoveBeadsCommand,
    RemoveBeadsCommand,
    ReorderBeadsCommand,
)
from opticstream.scope.commands.showing import ShowWarningCommand, UpdateValueCommand
from opticstream.scope.ipc import Command, Delivery, register_ipc_command
from opticstream.scope.scripts import register_script_command

logger = logging.getLogger("opticstream.scope")

_LOOK_S = 5.0
"""How long beads are looked for in a scope that has just started: the first frames may be dark."""


class BeadOwner:
    """Keeps the regions of the beads, writes them where every process reads them, and says when they change."""

    camera_manager: Any
    bead_roi_buffer: Any
    video_buffer: Any
    first_beads: str | int | None = None
    """What to begin with: ``auto``, a number of random places, the path of a file; None: no bead."""
    _settings: Any
    _board: BeadBoard
    _looks: bool = False
    _look_until: float | None = None
    """When there will be none; None: no frame has come yet, however long the camera takes to start."""

    if TYPE_CHECKING:  # of the scope's other parts

        def _process_command(self, command: Command) -> bool: ...

        def _show(self, command: Command) -> None: ...

    @property
    def beads(self) -> dict[int, tuple[int, int, int, int]]:
        """Regions by bead: x0, x1, y0, y1, px."""
        return dict(self._board.rois)

    def _make_board(self) -> None:
        camera = self.camera_manager.camera
        self._board = BeadBoard(camera.width, camera.height, int(self._settings["ROI"]))

    def _place_first_beads(self) -> None:
        """Place the beads to begin with; automatic ones when there is a frame to find them in."""
        wanted = self.first_beads
        if wanted is None:
            return
        if wanted == "auto":
            self._looks, self._look_until = True, None
        elif isinstance(wanted, int) or str(wanted).isdecimal():
            self.add_random_beads(int(wanted))
        else:
            places = read_bead_file(Path(wanted))
            self._apply(lambda: self._board.add(places))

    def _look_for_first_beads(self) -> None:
        if not self._looks or not self.video_buffer.frames_written:
            return
        if self._look_until is None:
            self._look_until = time.monotonic() + _LOOK_S
        self.find_beads()
        if len(self._board):
            self._looks = False
        elif time.monotonic() > self._look_until:
            self._looks = False
            self._show(ShowWarningCommand("no beads were found in the camera's image"))

    @register_ipc_command(AddBeadsCommand, Delivery.MAG_SCOPE)
    @register_script_command(AddBeadsCommand)
    def add_beads(self, centers: tuple[tuple[float, float], ...]) -> None:
        """Track beads at these places, x and y px."""
        self._apply(lambda: self._board.add(centers))

    @register_ipc_command(AddRandomBeadsCommand, Delivery.MAG_SCOPE)
    @register_script_command(AddRandomBeadsCommand)
    def add_random_beads(self, count: int, seed: int | None = None) -> None:
        """Put regions at random places that are free."""
        self._apply(lambda: self._board.add_random(count, seed))

    @register_ipc_command(FindBeadsCommand, Delivery.MAG_SCOPE)
    @register_script_command(FindBeadsCommand)
    def find_beads(self, limit: int | None = None) -> None:
        """Look for beads in the newest frame, and track those that are not tracked already."""
        from opticstream.scope.selection import find_beads

        image = self.video_buffer.peak_image().image.T
        roi = self._board.roi
        taken = [((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2) for x0, x1, y0, y1 in self._board.rois.values()]
        free = [
            (x, y)
            for x, y, _ in find_beads(image, roi)
            if all(max(abs(x - other_x), abs(y - other_y)) >= roi / 2 for other_x, other_y in taken)
        ]
        if free[:limit]:
            self._apply(lambda: self._board.add(free[:limit]))

    @register_ipc_command(MoveBeadsCommand, Delivery.MAG_SCOPE)
    def move_beads(self, moves: tuple[tuple[int, int, int], ...]) -> None:
        """Move regions: bead, dx, dy px."""
        self._apply(lambda: self._board.move(moves))

    @register_ipc_command(RemoveBeadsCommand, Delivery.MAG_SCOPE)
    @register_script_command(RemoveBeadsCommand)
    def remove_beads(self, ids: tuple[int, ...]) -> None:
        """Track these beads no more."""
        self._apply(lambda: self._board.remove(ids))

    @register_ipc_command(ClearBeadsCommand, Delivery.MAG_SCOPE)
    @register_script_command(ClearBeadsCommand)
    def clear_beads(self) -> None:
        """Track no bead any more."""
        self._apply(self._board.clear)

    @register_ipc_command(ReorderBeadsCommand, Delivery.MAG_SCOPE)
    def reorder_beads(self) -> None:
        """Number the beads anew, from 0."""
        self._apply(self._board.reorder)

    @register_ipc_command(FreezeBeadsCommand, Delivery.MAG_SCOPE)
    def freeze_beads(self, value: bool) -> None:
        """Let no region be changed, or let it again."""
        if value:
            self._board.freeze("a Z-LUT is being generated")
        else:
            self._board.thaw()

    def _settings_changed(self) -> None:
        if hasattr(self, "_board"):
            self._apply(lambda: self._board.set_roi(int(self._settings["ROI"])))
            if self._board.roi != int(self._settings["ROI"]):  # refused: nobody is to cut out regions of that size
                self._settings["ROI"] = self._board.roi

    def _apply(self, change: Callable[[], BeadChange]) -> None:
        try:
            done = change()
        except BadInput as error:
            logger.warning("%s", error)
            self._show(ShowWarningCommand("the beads were not changed", str(error)))
            return
        if done.note:
            self._show(ShowWarningCommand(done.note))
        if not done:
            return
        self.bead_roi_buffer.replace_beads(dict(self._board.rois))
        if done.renumbered:
            self._process_command(BeadsRenumberedCommand(dict(done.renumbered)))
        self._process_command(UpdateBeadRoisCommand())
        self._process_command(UpdateValueCommand("beads", len(self._board)))
