"""The look-up table from radial profile to z."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opticstream.core.errors import BadFile, BadInput
from opticstream.core.files import atomic_file, read_failed

Binning = Literal["rounded", "linear", "unknown"]

_TITLE = "opticstream Z-LUT"


@dataclass(frozen=True, eq=False)
class ZLut:
    """Radial profiles of one bead at known heights.

    In a file it is a text matrix, as the predecessor writes and reads it: the first row is z in nm, each row below is
    one radius bin. Lines with ``#`` before it say how the profiles were made; other programs skip them.

    Raises:
        BadInput: fewer than 2 planes or bins, shapes that do not fit, a z that is not finite, or a plane of NaN.
    """

    z_nm: NDArray[np.float64]
    """Height of each plane, nm, (planes,)."""
    profiles: NDArray[np.float64]
    """Mean grey level of each radius bin, (bins, planes); NaN where a bin had no pixel."""
    binning: Binning = "unknown"
    """How pixels were counted: ``rounded`` (mode magtrack) or ``linear`` (mode linear_bins)."""
    oversample: int = 1
    """Bins per pixel of radius."""
    where: str = field(default="Z-LUT", repr=False)
    """What error messages call it."""

    def __post_init__(self) -> None:
        z = np.array(self.z_nm, np.float64)
        profiles = np.array(self.profiles, np.float64)
        if z.ndim != 1 or profiles.ndim != 2 or profiles.shape[1] != len(z) or min(profiles.shape) < 2:
            found = f"z of shape {z.shape} and profiles of shape {profiles.shape}"
            raise BadInput(self.where, found=found, expected="(planes,) and (bins, planes), at least 2 of each")
        if not np.isfinite(z).all():
            raise BadInput(self.where, found="a z that is not finite", expected="a number in nm for each plane")
        empty = np.flatnonzero(np.isnan(profiles).all(axis=0))
        if len(empty):
            raise BadInput(self.where, found=f"no profile at z = {z[empty[0]]:g} nm", expected="one for each plane")
        if np.isinf(profiles).any():
            raise BadInput(self.where, found="an infinite grey level", expected="numbers, or nan for an empty bin")
        for array in (z, profiles):
            array.flags.writeable = False
        object.__setattr__(self, "z_nm", z)
        object.__setattr__(self, "profiles", profiles)

    @property
    def bins(self) -> int:
        """Radius bins of a profile; with 1 bin per pixel half of the crop's edge."""
        return len(self.profiles)

    @property
    def step_nm(self) -> float:
        """Mean distance of neighbouring planes, nm; negative where z falls."""
        return float((self.z_nm[-1] - self.z_nm[0]) / (len(self.z_nm) - 1))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of heights and profiles, independent of file and machine."""
        digest = hashlib.sha256(f"{self.profiles.shape} {self.binning} {self.oversample}".encode())
        for array in (self.z_nm, self.profiles):
            plain = np.where(np.isnan(array), np.nan, array) + 0.0  # one NaN, one zero
            digest.update(plain.astype("<f8").tobytes())
        return digest.hexdigest()

    @cached_property
    def unit_planes(self) -> NDArray[np.float64]:
        """Profiles without their innermost bin, each centred and of length 1, NaN as 0; (bins - 1, planes)."""
        rows = self.profiles[1:]
        known = ~np.isnan(rows)
        mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        centered = np.where(known, rows - mean, 0.0)
        length = np.sqrt((centered * centered).sum(axis=0))
        unit = centered / np.where(length > 0, length, 1.0)
        unit.flags.writeable = False
        return unit

    @classmethod
    def load(cls, path: Path) -> "ZLut":
        """Read a Z-LUT.

        Raises:
            BadFile: the file is missing, not a text matrix, or not a Z-LUT.
        """
        try:
            text = path.read_text("utf-8")
            rows = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            matrix = np.array([[float(word) for word in row] for row in rows])
        except OSError as error:
            raise read_failed(path, error) from None
        except ValueError as error:
            raise BadFile(str(path), found=str(error), expected="a text matrix: z in nm, then the profiles") from error
        if matrix.ndim != 2:
            raise BadFile(str(path), found="no matrix", expected="z in nm in the first row, the profiles below")
        said: dict[str, str] = {}
        for line in text.splitlines():
            if line.startswith("#"):
                key, _, value = line.lstrip("# ").partition(":")
                said[key.strip()] = value.strip()
        binning = said.get("binning", "unknown")
        known: dict[str, Binning] = {"rounded": "rounded", "linear": "linear"}
        oversample = said.get("bins per pixel", "1")
        if not oversample.isdecimal() or int(oversample) < 1:
            raise BadFile(str(path), found=f"bins per pixel: {oversample}", expected="1 or more")
        try:
            lut = cls(matrix[0], matrix[1:], known.get(binning, "unknown"), int(oversample), str(path))
        except BadInput as error:
            raise BadFile(
                error.where, found=error.found, expected=error.expected, action="Is it a Z-LUT?"
            ) from None  # fmt: skip
        stated = said.get("sha256")
        if stated is not None and stated != lut.content_hash:
            raise BadFile(str(path), found="other numbers than its checksum says", expected="an unchanged file")
        return lut

    def save(self, path: Path) -> None:
        """Write the Z-LUT as a text file, whole or not at all; its folder is created.

        Raises:
            WriteFailed: the file cannot be written.
        """
        about = [
            _TITLE, f"binning: {self.binning}", f"bins per pixel: {self.oversample}",
            f"step nm: {self.step_nm!r}", f"sha256: {self.content_hash}",
        ]  # fmt: skip
        rows = (" ".join(repr(float(value)) for value in row) for row in (self.z_nm, *self.profiles))
        with atomic_file(path) as handle:
            handle.write("".join([*(f"# {line}\n" for line in about), *(f"{row}\n" for row in rows)]).encode())


def zlut_from_sweep(
    step: ArrayLike,
    motor_z_nm: ArrayLike,
    profiles: ArrayLike,
    *,
    steps: int | None = None,
    valid: ArrayLike | None = None,
    binning: Binning = "unknown",
    oversample: int = 1,
) -> ZLut:
    """Make a Z-LUT from profiles taken at a sweep of heights.

    Each plane is the mean of its step's profiles, bin by bin, NaN left out; its height is the mean motor position.

    Args:
        step: index of the step of each profile, from 0, (n,).
        motor_z_nm: motor position when each was taken, nm, (n,).
        profiles: (n, bins).
        steps: how many steps there must be; absent: as many as ``step`` names.
        valid: which profiles count, (n,); absent: all.
        binning: how pixels were counted.
        oversample: bins per pixel of radius.

    Raises:
        BadInput: the arrays do not fit, or a step has no usable profile.
    """
    at, z, rows = np.asarray(step), np.asarray(motor_z_nm, np.float64), np.asarray(profiles, np.float64)
    use = np.ones(len(at), bool) if valid is None else np.asarray(valid, bool)
    if at.ndim != 1 or rows.ndim != 2 or not len(at) == len(z) == len(rows) == len(use):
        found = f"{at.shape} steps, {z.shape} heights, {rows.shape} profiles, {use.shape} marks"
        raise BadInput("Z-LUT sweep", found=found, expected="(n,), (n,), (n, bins), (n,), n more than 0")
    use = use & np.isfinite(z) & ~np.isnan(rows).all(axis=1)
    number = steps if steps is not None else int(at.max(initial=-1)) + 1
    taken = [np.flatnonzero(use & (at == plane)) for plane in range(number)]
    missing = [plane for plane, members in enumerate(taken) if not len(members)]
    if missing:
        named = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise BadInput(
            "Z-LUT sweep", found=f"no usable profile at step {named}", expected=f"one at each of {number} steps",
            action="Repeat the sweep with the bead in its crop all the way.",
        )  # fmt: skip
    known = ~np.isnan(rows)
    sums = np.stack([np.where(known[members], rows[members], 0.0).sum(axis=0) for members in taken], axis=1)
    counts = np.stack([known[members].sum(axis=0) for members in taken], axis=1)
    planes = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return ZLut(np.array([z[members].mean() for members in taken]), planes, binning, oversample, "Z-LUT sweep")
