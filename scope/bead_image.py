"""Images of a bead whose place is known: what the simulated camera shows, and what trackers are measured with."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadInput

Floats = NDArray[np.float64]

_BEAD_SAMPLES = 600
_RADIUS_STEP_NM = 10.0


@dataclass(frozen=True)
class BeadImage:
    """The image of a transparent sphere in a plane wave, out of focus by a known distance.

    The sphere delays the wave by its thickness (the projection approximation); the wave behind it is propagated by
    its angular spectrum up to the objective's aperture, which for a round object is a Hankel transform (Goodman,
    *Introduction to Fourier Optics*, §2.1.5 and §3.10). Light that is not quite parallel blurs the finer rings with
    distance; ``divergence`` says how much. A pixel shows the intensity in its middle.

    Raises:
        BadInput: a length is not positive, or the aperture is larger than the medium's index.
    """

    nm_per_px: float = 200.0
    """Edge of a pixel in the sample, nm."""
    radius_nm: float = 1500.0
    wavelength_nm: float = 550.0
    """In vacuum."""
    n_bead: float = 1.59
    n_medium: float = 1.33
    aperture: float = 0.9
    """Numerical aperture of the objective, no unit."""
    divergence: float = 0.05
    """Standard deviation of the illumination's direction, radians."""
    background: float = 0.4
    """Level without a bead, 0 to 1 of full scale."""
    contrast: float = 0.6
    """By how much of the physical amplitude the rings differ from the background; 1 would overexpose the middle."""
    reach_px: float = 90.0
    """Beyond this distance from the bead there is background only, px."""

    def __post_init__(self) -> None:
        lengths = ("nm_per_px", "radius_nm", "wavelength_nm", "n_bead", "n_medium", "aperture", "reach_px")
        for name in lengths:
            if not getattr(self, name) > 0:
                raise BadInput(f"bead image: {name}", found=f"{getattr(self, name)}", expected="more than 0")
        if self.aperture >= self.n_medium:
            raise BadInput(
                "bead image: aperture", found=f"{self.aperture}", expected=f"less than n_medium, {self.n_medium}"
            )

    @cached_property
    def _tables(self) -> tuple[Floats, Any, Floats, Floats, Floats]:
        """Transverse wave numbers, their amplitude in the bead's plane, the radii, and the transform between them."""
        from scipy.special import j0  # scipy is slow to import, and only simulations need it

        wave_number = 2 * np.pi / self.wavelength_nm
        reach_nm = self.reach_px * self.nm_per_px
        radii = np.arange(0.0, reach_nm + 2 * _RADIUS_STEP_NM, _RADIUS_STEP_NM)
        # Fine enough that the field does not repeat within the reach: 2π / step > 2 · reach.
        limit = wave_number * self.aperture
        number = int(np.ceil(limit * (reach_nm + 4 * self.radius_nm) / np.pi)) + 1
        q = (np.arange(number) + 0.5) * limit / number
        s = (np.arange(_BEAD_SAMPLES) + 0.5) * self.radius_nm / _BEAD_SAMPLES
        thickness = 2 * np.sqrt(self.radius_nm**2 - s**2)
        scattered = np.exp(1j * wave_number * (self.n_bead - self.n_medium) * thickness) - 1
        amplitude = (j0(np.outer(q, s)) * s) @ scattered * (self.radius_nm / _BEAD_SAMPLES)
        transform = j0(np.outer(q, radii)) * (q * limit / number)[:, None]
        total = wave_number * self.n_medium
        return q, amplitude, radii, transform, np.sqrt(total * total - q * q) - total

    def profile(self, z_nm: float) -> Floats:
        """Return the level at distances 0, 10, 20 … nm from the middle; ``z_nm`` is the bead's height above focus."""
        q, amplitude, _, transform, delay = self._tables
        blur = np.exp(-0.5 * (q * self.divergence * z_nm) ** 2)
        field = amplitude * np.exp(-1j * delay * z_nm) * blur
        intensity = (1 + field.real @ transform) ** 2 + (field.imag @ transform) ** 2
        level: Floats = self.background * (1 + self.contrast * (intensity - 1))
        return level

    def draw(self, x_px: float, y_px: float, z_nm: float, size: int) -> Floats:
        """Return the level of each pixel of a (size, size) image, not clipped.

        Args:
            x_px: place of the bead along a row; 0 is the middle of the first pixel.
            y_px: along a column.
            z_nm: height above focus.
            size: edge of the image, px.
        """
        radii = self._tables[2]
        along = np.arange(size)
        dx, dy = (along - x_px) * self.nm_per_px, (along - y_px) * self.nm_per_px
        distance = np.sqrt(dx * dx + (dy * dy)[:, None])
        level: Floats = np.interp(distance, radii, self.profile(z_nm), right=self.background)
        return level

    def stack(self, xyz: ArrayLike, size: int) -> Floats:
        """Return images (n, size, size) of one bead each; ``xyz`` (n, 3) is x and y in px and z in nm."""
        places = np.asarray(xyz, np.float64)
        if places.ndim != 2 or places.shape[1] != 3:
            raise BadInput("bead places", found=f"shape {places.shape}", expected="(n, 3): x px, y px, z nm")
        images = np.empty((len(places), size, size))
        for image, (x, y, z) in zip(images, places, strict=True):
            image[:] = self.draw(x, y, z, size)
        return images


def expose(
    level: Floats,
    random: np.random.Generator | None = None,
    *,
    gain: float = 25000.0,
    kind: type[np.uint8] | type[np.uint16] = np.uint8,
) -> NDArray[Any]:
    """Return what a camera makes of levels: clipped to 0..1, with shot noise, scaled to full scale and rounded.

    Args:
        level: 0 to 1 of full scale, any shape.
        random: source of the noise; absent: no noise.
        gain: photoelectrons of a pixel at full scale.
        kind: type of the pixels.
    """
    clipped = np.clip(level, 0.0, 1.0)
    seen = clipped if random is None else np.minimum(random.poisson(clipped * gain) / gain, 1.0)
    return np.rint(seen * np.iinfo(kind).max).astype(kind)
