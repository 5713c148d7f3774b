"""Whether a Z-LUT belongs to what is tracked."""

from opticstream.core.errors import BadInput
from opticstream.scope.tracking.options import TrackingOptions
from opticstream.scope.tracking.zlut import ZLut

_BINNINGS = {"magtrack": "rounded", "linear_bins": "linear"}


def check_zlut_fit(zlut: ZLut, options: TrackingOptions, roi: int | None = None) -> None:
    """Check that heights can be looked up in a Z-LUT.

    Args:
        zlut: radial profiles at known heights.
        options: how beads are tracked.
        roi: edge of a crop, px; None: not known yet.

    Raises:
        BadInput: it was made with another mode, another number of bins per pixel, or for crops of another size.
    """
    wanted = _BINNINGS[options.mode]
    if zlut.binning not in (wanted, "unknown"):
        raise BadInput(
            zlut.where, found=f"{zlut.binning} bins", expected=f"{wanted} bins, for mode {options.mode}",
            action="Use the mode the Z-LUT was made in, or make a new one.",
        )  # fmt: skip
    oversample = options.radial_profile.oversample
    if zlut.oversample != oversample:
        expected = f"{oversample}, as radial_profile.oversample says"
        raise BadInput(zlut.where, found=f"{zlut.oversample} bins per pixel", expected=expected)
    if roi is not None and zlut.bins != roi // 2 * oversample:
        raise BadInput(
            zlut.where, found=f"profiles of {zlut.bins} bins",
            expected=f"{roi // 2 * oversample} for crops of {roi} px",
            action="Use the Z-LUT of this crop size, or make one.",
        )  # fmt: skip
