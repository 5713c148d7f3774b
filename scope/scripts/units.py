"""Factors to SI units."""

from typing import Final


class Units:
    """Factors that turn a number with a unit into SI: ``5 * Units.um`` is 5e-6 m; divide to come back.

    Turns have a sense instead of a unit: ``cw`` is +1 and ``ccw`` is -1, seen along the optical axis.
    """

    m: Final = 1.0
    mm: Final = 1e-3
    um: Final = 1e-6
    nm: Final = 1e-9

    N: Final = 1.0
    mN: Final = 1e-3  # noqa: N815 (the unit's symbol)
    uN: Final = 1e-6  # noqa: N815
    nN: Final = 1e-9  # noqa: N815
    pN: Final = 1e-12  # noqa: N815
    fN: Final = 1e-15  # noqa: N815

    s: Final = 1.0
    ms: Final = 1e-3
    us: Final = 1e-6
    ns: Final = 1e-9
    ps: Final = 1e-12
    fs: Final = 1e-15

    cw: Final = 1
    ccw: Final = -1
