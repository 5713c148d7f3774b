"""What keeps beads in their regions and in focus."""

from opticstream.scope.locks.xy_lock import XYLock
from opticstream.scope.locks.z_lock import FocusState, ZLock

__all__ = ["FocusState", "XYLock", "ZLock"]
