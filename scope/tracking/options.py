"""How beads are tracked."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from opticstream.scope.bad_value import BadValue

Mode = Literal["magtrack", "linear_bins"]


def _odd(value: int) -> int:
    return value + 1 - value % 2


def _must_be_odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"expected an odd number, got {value}")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CropOptions(_Section):
    """Which crops are not tracked at all."""

    min_contrast: int = Field(0, ge=0, description="Crops whose grey levels span no more than this are not tracked.")
    full_scale: int | None = Field(
        None, ge=1, description="Grey level of a saturated pixel; absent: the largest of the image's type."
    )


class CenterOfMassOptions(_Section):
    """The first estimate."""

    background: Literal["none", "mean", "median"] = Field("median", description="What is subtracted from the crop.")


class MultilineOptions(_Section):
    """The sub-pixel refinement."""

    line_ratio: float = Field(
        0.1, ge=0, allow_inf_nan=False, description="Share of the crop's edge whose lines are averaged."
    )
    n_local: Annotated[int, AfterValidator(_odd)] = Field(
        5, ge=3, description="Points of the parabola; an even number is made odd by adding 1."
    )


class RadialProfileOptions(_Section):
    """The radial profile."""

    oversample: int = Field(1, ge=1, description="Bins per pixel of radius.")


class LookupOptions(_Section):
    """The search in the Z-LUT."""

    n_local: Annotated[int, AfterValidator(_must_be_odd)] = Field(
        ge=3, description="Planes of the parabola, odd; absent: 7, in mode linear_bins 3."
    )


class TrackingOptions(_Section):
    """Options of one tracker; the keys are those of the predecessor's tracking options, and ``mode`` and ``crop``."""

    mode: Mode = Field(
        "magtrack",
        description="magtrack: each pixel counts in the nearest radius bin. "
        "linear_bins: it is shared between the two nearest, which makes z several times more accurate.",
    )
    crop: CropOptions = CropOptions()
    center_of_mass: CenterOfMassOptions = CenterOfMassOptions()
    iterations: int = Field(
        5, ge=1, alias="n auto_conv_multiline_sub_pixel", description="Sub-pixel refinements in a row."
    )
    auto_conv_multiline_sub_pixel: MultilineOptions = MultilineOptions()
    radial_profile: RadialProfileOptions = RadialProfileOptions()
    lookup_z: LookupOptions

    @model_validator(mode="before")
    @classmethod
    def _lookup_of_mode(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        lookup = given.get("lookup_z", {})
        if isinstance(lookup, Mapping) and "n_local" not in lookup:
            # With linear bins the correlation's peak is smooth, and the nearest planes alone locate it best.
            default = 3 if given.get("mode") == "linear_bins" else 7
            return {**given, "lookup_z": {**lookup, "n_local": default}}
        return given

    @classmethod
    def of(cls, mode: Mode = "magtrack") -> Self:
        """Return the default options of a mode."""
        return cls.from_mapping({"mode": mode})

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Self:
        """Return the options of a mapping, as in a settings file; the predecessor's files are accepted.

        Raises:
            BadValue: (a ValueError) a key is unknown, a value has the wrong type or lies outside its range, or the file asks for
                the FFT profile, which this tracker does not have.
        """
        known = dict(given)
        fft = known.pop("use fft_profile", False)
        known.pop("fft_profile", None)  # parameters of what is switched off
        if fft is not False:
            raise BadValue(
                "tracking option 'use fft_profile'", found=repr(fft), expected="False",
                action="Use the radial profile; with mode linear_bins it is the more accurate one.",
            )  # fmt: skip
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "options"
            raise BadValue(f"tracking option {key!r}", found=repr(first["input"]), expected=first["msg"]) from None
