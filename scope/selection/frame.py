"""Frames that beads are looked for in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.bad_value import BadValue


def checked_frame(image: NDArray[Any], roi: int) -> NDArray[Any]:
    """Return a frame that regions of ``roi`` px fit into.

    Raises:
        BadValue: it is no 2-D image of finite numbers, or is smaller than a region.
    """
    frame = np.asarray(image)
    if frame.ndim != 2 or frame.dtype.kind not in "uif":
        raise BadValue("frame", found=f"shape {frame.shape} of {frame.dtype}", expected="a grey image (height, width)")
    if min(frame.shape) < roi or roi < 8:
        raise BadValue(
            "frame", found=f"shape {frame.shape}, regions of {roi} px", expected="one region or more of 8 px"
        )
    if frame.dtype.kind == "f" and not np.isfinite(frame).all():
        raise BadValue("frame", found="pixels that are no finite numbers", expected="finite grey levels")
    return frame
