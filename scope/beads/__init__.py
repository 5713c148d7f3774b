"""The beads of a scope: which there are, and where."""

from opticstream.scope.beads.bead_board import CAPACITY, BeadBoard
from opticstream.scope.beads.bead_change import BeadChange
from opticstream.scope.beads.bead_file import read_bead_file

__all__ = ["CAPACITY", "BeadBoard", "BeadChange", "read_bead_file"]
