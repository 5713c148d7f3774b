"""Which heights a sweep visits."""

import math
from dataclasses import dataclass

from opticstream.core.errors import BadInput

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep of the focus motor from ``start`` to ``stop``, both included."""

    start: float
    """nm."""
    step: float
    """nm, with the sign of the way from start to stop."""
    stop: float
    """nm."""
    profiles_per_bead: int
    """Frames of each bead at each height."""

    def positions(self) -> tuple[float, ...]:
        """Return the heights in the order they are visited, nm.

        Raises:
            BadInput: a number is not finite, the step is 0 or leads away from the stop, the stop is not on the grid of
                steps, there are fewer than 2 heights or more than 100,000, or no profiles are asked for.
        """
        for name in ("start", "step", "stop"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise BadInput(f"Z-LUT sweep: {name}", found=f"{value} nm", expected="a number")
        if isinstance(self.profiles_per_bead, bool) or not isinstance(self.profiles_per_bead, int):
            raise BadInput(
                "Z-LUT sweep: profiles_per_bead", found=repr(self.profiles_per_bead), expected="a whole number"
            )
        if self.profiles_per_bead < 1:
            raise BadInput("Z-LUT sweep: profiles_per_bead", found=str(self.profiles_per_bead), expected="1 or more")
        way = self.stop - self.start
        if self.step == 0 or way * self.step < 0:
            toward = "more than 0" if way > 0 else "less than 0"
            raise BadInput("Z-LUT sweep: step", found=f"{self.step:g} nm", expected=f"{toward}, towards the stop")
        if way == 0 or abs(way) < abs(self.step) * (1 - 1e-6):
            raise BadInput("Z-LUT sweep", found="fewer than 2 heights", expected="2 or more, so a smaller step")
        if abs(way / self.step) > _MOST:
            raise BadInput("Z-LUT sweep", found=f"{way / self.step:.0f} steps", expected=f"at most {_MOST}")
        number = round(way / self.step)
        if abs(number * self.step - way) > 1e-6 * abs(self.step):
            raise BadInput(
                "Z-LUT sweep: stop", found=f"{self.stop:g} nm", expected=f"start plus a multiple of {self.step:g} nm",
                action=f"Stop at {self.start + number * self.step:g} nm.",
            )  # fmt: skip
        return tuple(self.start + index * self.step for index in range(number + 1))
