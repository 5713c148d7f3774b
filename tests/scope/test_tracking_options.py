"""Tracking options have the predecessor's keys, defaults and ranges."""

from typing import Any

import pytest
from pydantic import ValidationError

from opticstream.core.errors import BadInput
from opticstream.scope.tracking import TrackingOptions

PREDECESSOR: dict[str, Any] = {
    "center_of_mass": {"background": "median"},
    "n auto_conv_multiline_sub_pixel": 5,
    "auto_conv_multiline_sub_pixel": {"line_ratio": 0.1, "n_local": 5},
    "use fft_profile": False,
    "fft_profile": {"oversample": 4, "rmin": 0.0, "rmax": 0.5, "gaus_factor": 6.0},
    "radial_profile": {"oversample": 1},
    "lookup_z": {"n_local": 7},
}


def test_defaults_are_the_predecessors() -> None:
    assert TrackingOptions.from_mapping(PREDECESSOR) == TrackingOptions.of()
    dumped = TrackingOptions.of().model_dump(by_alias=True)
    assert {key: dumped[key] for key in PREDECESSOR if key in dumped} == {
        key: value for key, value in PREDECESSOR.items() if "fft" not in key
    }
    assert TrackingOptions.from_mapping(dumped) == TrackingOptions.of()


def test_linear_bins_look_at_fewer_planes_unless_told() -> None:
    assert TrackingOptions.of("linear_bins").lookup_z.n_local == 3
    told = TrackingOptions.from_mapping({"mode": "linear_bins", "lookup_z": {"n_local": 9}})
    assert told.lookup_z.n_local == 9
    assert TrackingOptions.from_mapping(told.model_dump()) == told


def test_an_even_number_of_points_is_made_odd() -> None:
    options = TrackingOptions.from_mapping({"auto_conv_multiline_sub_pixel": {"n_local": 6}})
    assert options.auto_conv_multiline_sub_pixel.n_local == 7


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"center_of_mass": {"background": "mode"}}, "center_of_mass.background"),
        ({"n auto_conv_multiline_sub_pixel": 0}, "n auto_conv_multiline_sub_pixel"),
        ({"auto_conv_multiline_sub_pixel": {"line_ratio": -0.1}}, "auto_conv_multiline_sub_pixel.line_ratio"),
        ({"auto_conv_multiline_sub_pixel": {"line_ratio": float("inf")}}, "auto_conv_multiline_sub_pixel.line_ratio"),
        ({"auto_conv_multiline_sub_pixel": {"n_local": 2}}, "auto_conv_multiline_sub_pixel.n_local"),
        ({"radial_profile": {"oversample": 0}}, "radial_profile.oversample"),
        ({"lookup_z": {"n_local": 4}}, "lookup_z.n_local"),
        ({"lookup_z": {"n_local": 1}}, "lookup_z.n_local"),
        ({"lookup_z": 3}, "lookup_z"),
        ({"mode": "best"}, "mode"),
        ({"mode": []}, "mode"),
        ({"unheard": 1}, "unheard"),
        ({"use fft_profile": True}, "use fft_profile"),
    ],
)
def test_a_wrong_option_is_named(given: dict[str, Any], key: str) -> None:
    with pytest.raises(BadInput) as caught:
        TrackingOptions.from_mapping(given)
    assert f"'{key}'" in str(caught.value)


def test_options_cannot_be_changed() -> None:
    options = TrackingOptions.of()
    with pytest.raises(ValidationError):
        options.iterations = 3  # type: ignore[misc]
