"""What the options come to for crops of one size and type."""

from dataclasses import dataclass

from opticstream.scope.tracking.options import TrackingOptions

_BACKGROUNDS = {"none": 0, "mean": 1, "median": 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """Numbers that kernel and NumPy work with; lengths in px, levels in grey levels."""

    roi: int
    """Edge of a crop."""
    bins: int
    """Radius bins."""
    background: int
    """0 none, 1 mean, 2 median."""
    iterations: int
    lines: int
    """Lines to each side of the centre that are averaged."""
    half: int
    """Points to each side of an auto-convolution's peak."""
    oversample: int
    z_half: int
    """Planes to each side of the best one."""
    min_contrast: int
    full_scale: int
    linear: bool

    @classmethod
    def of(cls, options: TrackingOptions, roi: int, type_maximum: int) -> "Plan":
        """Return the plan for crops of ``roi`` px whose type holds up to ``type_maximum``."""
        oversample = options.radial_profile.oversample
        return cls(
            roi=roi,
            bins=roi // 2 * oversample,
            background=_BACKGROUNDS[options.center_of_mass.background],
            iterations=options.iterations,
            # More lines than that are never whole, whatever the ratio.
            lines=min(int(roi * options.auto_conv_multiline_sub_pixel.line_ratio / 2), roi),
            half=options.auto_conv_multiline_sub_pixel.n_local // 2,
            oversample=oversample,
            z_half=options.lookup_z.n_local // 2,
            min_contrast=options.crop.min_contrast,
            full_scale=type_maximum if options.crop.full_scale is None else options.crop.full_scale,
            linear=options.mode == "linear_bins",
        )
