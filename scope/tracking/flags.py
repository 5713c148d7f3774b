"""What went wrong with one bead in one frame."""

from enum import IntFlag


class TrackFlag(IntFlag):
    """Why a position is NaN; several may be set. One bead's flag never touches another's position."""

    OK = 0
    OUT_OF_FRAME = 1
    """The crop does not lie within the frame."""
    DARK = 2
    """No pixel is above ``crop.min_contrast`` grey levels."""
    SATURATED = 4
    """Every pixel is at full scale."""
    FLAT = 8
    """The crop shows nothing: brightest and darkest pixel differ by at most ``crop.min_contrast``."""
    LEFT_CROP = 16
    """The centre came so near to the crop's edge that the lines through it are not whole."""
    NOT_CONVERGED = 32
    """The auto-convolution has no peak that a parabola fits."""
    OUTSIDE_ZLUT = 64
    """The best plane is so near to an end of the Z-LUT that no parabola fits; x and y are good, z is NaN."""
    NO_Z = 128
    """The correlation with the Z-LUT has no peak; x and y are good, z is NaN."""
