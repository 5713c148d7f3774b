"""The configuration of a light-sheet project: what it refuses, and which stages it asks for."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.lsm_layout import strip_mip_path, strip_zarr_path
from opticstream.core.validation import problems

FIELDS = ("{project_name}", "{slice_id}", "{slice_id:02d}", "{strip_id}", "{strip_id:04d}", "{channel_id}", "{acq}")
TEXT = ("-", "_", "x", "é", "{{}}", ".zarr")


def config(**fields: Any) -> LSMScanConfig:
    return LSMScanConfig.model_validate({"project_name": "brain", "project_base_path": Path("p"), **fields})


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**fields)
    return problems(caught.value)


def test_defaults_are_those_labs_know() -> None:
    made = config()
    assert made.products_path == Path("p") and config(output_path=Path("o")).products_path == Path("o")
    assert (made.strips_per_slice, made.channels_per_slice, made.strip_overlap) == (100, 1, 10.0)
    assert (made.strip_cleanup_action, made.checksum, made.generate_mip) == ("rename", "xxh3", True)
    assert (made.zarr.ome_version, made.zarr.chunk, made.zarr.codec, made.zarr.level) == ("0.5", 128, "zstd", 1)
    assert LSMScanConfig.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("name", ["output_format", "output_mip_format"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("brain.zarr", "{slice_id}, {strip_id}"),
        ("{slice_id}_{acq}.zarr", "lacks {strip_id}, so strips would share one name"),
        ("{strip_id}_{acq}.zarr", "lacks {slice_id}"),
        ("{slice_id}_{strip_id}.zarr", "channels would share one name"),
        ("{slice_id}_{strip_id}_{camera}.zarr", "found 'camera'"),
        ("{slice_id}_{strip_id}_{acq", "expected '}'"),
        ("{slice_id}_{strip_id}_{acq:d}.zarr", "Unknown format code"),
        ("{slice_id}_{strip_id}_{acq}_{}.zarr", "found "),
        ("{slice_id}/{strip_id}_{acq}.zarr", "a name without folders"),
        ("{slice_id}\\{strip_id}_{acq}.zarr", "a name without folders"),
        ("{slice_id}{strip_id}_{acq}.zarr", "so strips would share one name; put text between them"),
        ("{slice_id}_{strip_id!s:.1}_{acq}.zarr", "so strips would share one name"),
        ("{slice_id}_{strip_id}_{acq.channel}.zarr", "a name with the fields acq"),
    ],
)
def test_names_that_do_not_tell_strips_apart_are_refused(name: str, value: str, says: str) -> None:
    text = refusal(**{name: value})
    assert text.startswith(f"{name} = ") and says in text and "Value error" not in text


@given(
    parts=st.lists(st.sampled_from(FIELDS + TEXT), max_size=8),
    strips=st.lists(st.tuples(*[st.integers(1, 12)] * 3), min_size=2, max_size=6, unique=True),
)
def test_a_name_that_is_taken_tells_strips_apart_where_numbers_do_not_run_together(
    parts: list[str], strips: list[tuple[int, int, int]]
) -> None:
    value = "|".join(parts)  # a separator that no field holds
    fields = {part.strip("{}").partition(":")[0] for part in parts if part in FIELDS}
    enough = {"slice_id", "strip_id"} <= fields and bool(fields & {"acq", "channel_id"})
    try:
        made = config(output_format=value, output_mip_format=f"{value}_mip")
    except ValidationError:
        assert not enough
        return
    assert enough
    idents = [StripId(project="brain", slice=a, channel=b, strip=c) for a, b, c in strips]
    for place in (strip_zarr_path, strip_mip_path):
        found = [place(made, ident) for ident in idents]
        assert len(set(found)) == len(idents) and {path.parent for path in found} == {Path("p")}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"voxel_size_um": (0, 1, 1)}, "voxel_size_um must be positive"),
        ({"output_mip_preview_window": (5, 1)}, "output_mip_preview_window must rise"),
        ({"distribute_archive": True}, "distribute_archive needs archive_path"),
        (
            dict.fromkeys(("output_format", "output_mip_format"), "{slice_id}_{strip_id}_{acq}"),
            "output_format and output_mip_format must differ",
        ),
        ({"cpu_affinity": (4, 2)}, "cpu_affinity must be"),
        ({"cpu_affinity": (-1, 2)}, "cpu_affinity must be"),
    ],
)
def test_fields_that_do_not_fit_each_other_are_told_without_all_the_others(fields: dict[str, Any], says: str) -> None:
    text = refusal(**fields)
    assert text.startswith(says) and "project_base_path" not in text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"strips_per_slice": 0}, "strips_per_slice = 0"),
        ({"strip_overlap": 100}, "strip_overlap = 100"),
        ({"strip_overlap": -1}, "strip_overlap = -1"),
        ({"strip_cleanup_action": "shred"}, "strip_cleanup_action = 'shred'"),
        ({"zarr": {"chunk": 17}}, "zarr.chunk = 17"),
        ({"zarr": {"ome_version": "0.3"}}, "zarr.ome_version = '0.3'"),
        ({"zarr": {"level": 10}}, "zarr.level = 10"),
        ({"archive_rate_limit": -1}, "archive_rate_limit = -1"),
        ({"checksum": "md5"}, "checksum = 'md5'"),
        ({"strips": 3}, "strips = 3"),
        ({"voxel_size_um": (1, 2)}, "voxel_size_um"),
        ({"voxel_size_um": (1, float("nan"), 2)}, "voxel_size_um.1 = nan"),
        ({"voxel_size_um": (1, 1, "inf")}, "voxel_size_um.2 = 'inf'"),
        ({"output_mip_preview_window": (float("nan"), 1)}, "output_mip_preview_window.0 = nan"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_field(fields: dict[str, Any], says: str) -> None:
    assert says in refusal(**fields)


@pytest.mark.parametrize("value", [None, [], "", ()])
def test_an_empty_preview_window_means_percentiles(value: object) -> None:
    assert config(output_mip_preview_window=value).output_mip_preview_window is None


@pytest.mark.parametrize(
    ("fields", "strip", "channel"),
    [
        ({}, ("compress", "cleanup"), ("mip",)),
        ({"strip_cleanup_action": "keep"}, ("compress",), ("mip",)),
        ({"archive_path": Path("a")}, ("compress", "archive", "cleanup"), ("mip",)),
        ({"archive_path": Path("a"), "strip_cleanup_action": "keep"}, ("compress", "archive"), ("mip",)),
        ({"generate_mip": False}, ("compress", "cleanup"), ()),
        ({"generate_mip": False, "stitch_volume": True}, ("compress", "cleanup"), ("volume",)),
        ({"stitch_volume": True}, ("compress", "cleanup"), ("mip", "volume")),
    ],
)
def test_stages_follow_what_is_asked_for(
    fields: dict[str, Any], strip: tuple[str, ...], channel: tuple[str, ...]
) -> None:
    made = config(**fields)
    assert (made.strip_stages, made.channel_stages) == (strip, channel)
    order = ("compress", "archive", "cleanup")
    assert all(order.index(one) < order.index(other) for one, other in pairwise(made.strip_stages))
