"""The Z-LUT of a process that tracks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.scope.tracking import TrackingOptions, ZLut
from opticstream.scope.tracking.zlut_fit import check_zlut_fit


class ZLutInUse:
    """The Z-LUT that was loaded, and whether heights can be looked up in it now.

    One of another crop size or mode costs the heights, not the tracks: it is there again when size and mode fit.
    """

    def __init__(self) -> None:
        self.path: str | None = None
        """File of the one that was loaded; None: none."""
        self._loaded: ZLut | None = None
        self._told = ""

    def load(self, path: str) -> None:
        """Use the Z-LUT of a file; if it cannot be used, none.

        Raises:
            BadFile: it cannot be used.
        """
        self.unload()
        self._loaded = ZLut.load(Path(path))
        self.path = path

    def unload(self) -> None:
        """Use none."""
        self._loaded, self.path, self._told = None, None, ""

    def fitting(self, options: TrackingOptions, roi: int, tell: Callable[[str, str], None]) -> ZLut | None:
        """Return the Z-LUT to track with, None if there is none that fits.

        Args:
            options: how beads are tracked.
            roi: edge of a crop, px.
            tell: is told once, in two texts, what does not fit.
        """
        if self._loaded is None:
            return None
        try:
            check_zlut_fit(self._loaded, options, roi)
        except BadInput as error:
            if str(error) != self._told:
                self._told = str(error)
                tell("heights are unknown: the Z-LUT does not fit", self._told)
            return None
        self._told = ""
        return self._loaded

    def shown(self) -> dict[str, Any] | None:
        """Return what an interface shows: path, lowest and highest z in nm, bins; None: there is none."""
        if self._loaded is None:
            return None
        lowest, highest = float(self._loaded.z_nm.min()), float(self._loaded.z_nm.max())
        return {"path": self.path, "z_min_nm": lowest, "z_max_nm": highest, "bins": self._loaded.bins}
