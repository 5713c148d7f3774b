"""Where simulated beads are from frame to frame; no image, no clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opticstream.scope.cameras.bead_places import place_beads

_THETA_XY_PER_S = 1.5
_THETA_Z_PER_S = 2.0
_NM_PER_UM = 1000.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BeadModel:
    """Which beads there are and how they move."""

    fixed_n: int = 5
    fixed_z: float = 0.0
    """Height above focus, µm."""
    tethered_n: int = 3
    tethered_z: float = 0.0
    """Mean height above focus, µm."""
    tethered_z_sigma: float = 0.3
    """Standard deviation of the height, µm."""
    tethered_xy_sigma: float = 3.0
    """Standard deviation of x and of y, px."""
    seed: int = 1


class SimulatedBeads:
    """Beads that stand still and beads on a tether, which an Ornstein-Uhlenbeck process moves about their anchor.

    Each axis q of a tethered bead obeys dq = -θ q dt + s √(2θ) dW, θ = 1.5 per s for x and y and 2.0 per s for z,
    so that s is the standard deviation. A step uses the process's transition density, which for short steps is
    Euler's and holds for long ones too: q ← q e^(-θ dt) + s √(1 - e^(-2θ dt)) ξ (D. T. Gillespie, Phys. Rev. E 54,
    2084 (1996)). Beads start at their anchors.

    Args:
        model: the beads.
        width: of the frame, px.
        height: of the frame, px.
    """

    def __init__(self, model: BeadModel, width: int, height: int) -> None:
        self.model = model
        self._random = np.random.default_rng(model.seed)
        self._anchors = place_beads(model.fixed_n + model.tethered_n, width, height, self._random)
        self._moved = np.zeros((model.tethered_n, 3))  # in standard deviations

    def step(self, dt_s: float) -> None:
        """Move on by ``dt_s`` seconds."""
        theta = np.array([_THETA_XY_PER_S, _THETA_XY_PER_S, _THETA_Z_PER_S])
        kept = np.exp(-theta * dt_s)
        shaken = np.sqrt(-np.expm1(-2 * theta * dt_s))
        self._moved = self._moved * kept + shaken * self._random.standard_normal(self._moved.shape)

    def retune(self, model: BeadModel) -> None:
        """Take over heights and standard deviations of ``model``; numbers and seed stay."""
        self.model = model

    def positions(self, focus_nm: float = 0.0) -> Floats:
        """Return x and y in px and z in nm of each bead, fixed ones first, (n, 3); ``focus_nm`` is added to z."""
        model = self.model
        found = np.empty((len(self._anchors), 3))
        found[:, :2] = self._anchors
        found[: model.fixed_n, 2] = model.fixed_z * _NM_PER_UM
        z_nm, sigma_nm = model.tethered_z * _NM_PER_UM, model.tethered_z_sigma * _NM_PER_UM
        found[model.fixed_n :, :2] += self._moved[:, :2] * model.tethered_xy_sigma
        found[model.fixed_n :, 2] = z_nm + self._moved[:, 2] * sigma_nm
        found[:, 2] += focus_nm
        return found
