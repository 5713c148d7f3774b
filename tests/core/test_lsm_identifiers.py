"""Identifiers, events and product places of a light-sheet project."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.events import event_id, read_payload
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_events import LSM_PAYLOADS, STRIP_READY, ChannelMipStitched, StripReady
from opticstream.core.lsm_identifiers import ChannelId, LSMSliceId, StripId
from opticstream.core.lsm_layout import (
    channel_mip_path,
    channel_volume_path,
    info_file,
    strip_archive_path,
    strip_mip_path,
    strip_zarr_path,
)

numbers = st.integers(1, 999_999_999)
strips = st.builds(StripId, project=st.just("brain"), slice=numbers, channel=numbers, strip=numbers)
STRIP = StripId(project="brain", slice=3, channel=2, strip=14)


@given(ident=strips)
def test_identifiers_survive_their_json_and_know_their_parents(ident: StripId) -> None:
    assert StripId.model_validate_json(ident.model_dump_json()) == ident
    channel, slice_ = ident.parent, ident.parent.parent
    assert channel == ChannelId(project="brain", slice=ident.slice, channel=ident.channel)
    assert slice_ == LSMSliceId(project="brain", slice=ident.slice) and slice_.parent is None
    assert str(ident).startswith(f"{channel}/") and str(channel).startswith(f"{slice_}/")


@given(one=strips, other=strips)
def test_different_strips_have_different_keys_and_archives(one: StripId, other: StripId) -> None:
    assert (one == other) == (one.key == other.key) == (str(one) == str(other))
    archive = Path("archive")
    assert (one == other) == (strip_archive_path(archive, one) == strip_archive_path(archive, other))


def test_text_forms_are_a_contract() -> None:
    assert str(STRIP) == "lsm/brain/slice-03/channel-02/strip-0014"
    assert STRIP.key == "slice-03/channel-02/strip-0014"
    # Ids of events already posted must not change with a release.
    assert str(event_id(STRIP_READY, str(STRIP), "1")) == "cfc75ad1-8e28-5fd7-bc4c-81326e8beed0"
    assert set(LSM_PAYLOADS) == {
        f"linc.opticstream.lsm.{name}"
        for name in (
            *("strip.ready", "strip.compressed", "strip.archived", "strip.processed"),
            *("channel.ready", "channel.mip_stitched", "channel.volume_stitched"),
        )
    }


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, -1), (1, 1, 1_000_000_000)])
def test_numbers_are_counted_from_1(numbers: tuple[int, int, int]) -> None:
    slice_, channel, strip = numbers
    with pytest.raises(ValidationError):
        StripId(project="brain", slice=slice_, channel=channel, strip=strip)


def test_products_go_where_labs_look_for_them() -> None:
    config = LSMScanConfig(project_name="brain", project_base_path=Path("base"))
    name = "brain_sample-slice03_chunk-0014_acq-camera-02"
    assert strip_zarr_path(config, STRIP) == Path("base") / f"{name}.ome.zarr"
    assert strip_mip_path(config, STRIP) == Path("base") / f"{name}_proc-mip.tiff"
    assert strip_archive_path(Path("a"), STRIP) == Path("a/brain/slice-03/channel-02/strip-0014")
    joined = "brain_sample-slice03_acq-camera-02"
    assert channel_mip_path(config, STRIP.parent) == Path("base") / f"{joined}_proc-mip.tiff"
    assert channel_volume_path(config, STRIP.parent) == Path("base") / f"{joined}_proc-volume.ome.zarr"
    elsewhere = config.model_copy(update={"output_path": Path("out")})
    assert strip_zarr_path(elsewhere, STRIP).parent == channel_mip_path(elsewhere, STRIP.parent).parent == Path("out")


def test_the_info_file_is_the_projects_or_lies_beside_the_strip(tmp_path: Path) -> None:
    config = LSMScanConfig(project_name="brain", project_base_path=tmp_path)
    folder = tmp_path / "Run1_2"
    assert info_file(config, folder) is None
    beside = tmp_path / "Run1_2_info.mat"
    beside.touch()
    assert info_file(config, folder) == beside
    own = config.model_copy(update={"info_file": tmp_path / "info.mat"})
    assert info_file(own, folder) == tmp_path / "info.mat"


def test_payloads_name_the_field_that_is_wrong() -> None:
    good = {"strip_ident": STRIP.model_dump(), "strip_path": r"D:\Run3", "lab": "ours"}
    ready = read_payload(StripReady, good)
    assert (ready.strip_ident, ready.strip_path, ready.force_rerun) == (STRIP, r"D:\Run3", False)
    with pytest.raises(BadInput, match=r"strip_ident\.strip = 0: .*expected strip_ident, strip_path"):
        read_payload(StripReady, good | {"strip_ident": STRIP.model_dump() | {"strip": 0}})
    with pytest.raises(BadInput, match="mip_count"):
        read_payload(ChannelMipStitched, {"channel_ident": STRIP.parent.model_dump(), "mip_stitched_path": "m"})
