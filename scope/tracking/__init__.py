"""Tracking beads: crops in, x, y and z out. Importing this does not import numba."""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from opticstream.scope.tracking.flags import TrackFlag
    from opticstream.scope.tracking.options import TrackingOptions
    from opticstream.scope.tracking.tracker import Tracker, warm_tracker
    from opticstream.scope.tracking.tracks import Tracks
    from opticstream.scope.tracking.zlut import ZLut, zlut_from_sweep

__all__ = ["TrackFlag", "Tracker", "TrackingOptions", "Tracks", "ZLut", "warm_tracker", "zlut_from_sweep"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "TrackFlag": "opticstream.scope.tracking.flags",
        "Tracker": "opticstream.scope.tracking.tracker",
        "TrackingOptions": "opticstream.scope.tracking.options",
        "Tracks": "opticstream.scope.tracking.tracks",
        "ZLut": "opticstream.scope.tracking.zlut",
        "warm_tracker": "opticstream.scope.tracking.tracker",
        "zlut_from_sweep": "opticstream.scope.tracking.zlut",
    },
)
