"""Identifiers, names and the arithmetic of an OCT project."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opticstream.core.errors import BadInput, OpticstreamError
from opticstream.core.events import BATCH_READY, PAYLOADS, BatchReady, event_id, read_payload
from opticstream.core.identifiers import BatchId
from opticstream.core.oct_layout import (
    batch_id,
    batch_of_tile,
    contact_sheet_path,
    illumination,
    logical_mosaic,
    product_path,
    slice_of_mosaic,
    tiles_of_batch,
)
from opticstream.core.text import check_project_name, slug

numbers = st.integers(1, 10_000)


@given(mosaic=numbers, batch=numbers, per_slice=st.sampled_from([2, 3]))
def test_identifiers_survive_their_json_and_know_their_parents(mosaic: int, batch: int, per_slice: int) -> None:
    ident = batch_id("brain", mosaic, batch, per_slice)
    assert BatchId.model_validate_json(ident.model_dump_json()) == ident
    assert ident.numbers == (slice_of_mosaic(mosaic, per_slice), mosaic, batch)
    assert ident.parent.parent.numbers == ident.numbers[:1] and ident.parent.parent.parent is None
    assert str(ident).startswith(f"{ident.parent}/batch-") and hash(ident) == hash(
        batch_id("brain", mosaic, batch, per_slice)
    )


def test_text_forms_are_a_contract() -> None:
    ident = batch_id("brain", 3, 1, 2)
    assert (str(ident), ident.key) == ("oct/brain/slice-02/mosaic-003/batch-001", "slice-02/mosaic-003/batch-001")
    assert product_path(Path("p"), ident, 7, "dBI") == Path("p/slice-02/processed/mosaic_003_image_0007_dBI.nii")
    assert contact_sheet_path(Path("p"), ident) == Path("p/slice-02/processed/mosaic_003_batch_001_contact.png")
    # Ids of events already posted must not change with a release.
    assert str(event_id(BATCH_READY, str(ident), "1")) == "ea2fe156-5849-5bd8-9d04-a4c8e0477f37"
    assert set(PAYLOADS) == {
        f"linc.opticstream.psoct.{name}"
        for name in (
            "batch.ready",
            "batch.processed",
            "mosaic.ready",
            "slice.ready",
        )
    }


@given(tile=numbers, grid=st.integers(1, 500))
def test_every_tile_is_in_its_batch(tile: int, grid: int) -> None:
    batch = batch_of_tile(tile, grid)
    assert tile in tiles_of_batch(batch, grid) and len(tiles_of_batch(batch, grid)) == grid
    assert tile not in tiles_of_batch(batch + 1, grid)


@given(source=numbers, per_slice=st.sampled_from([2, 3]), offset=st.integers(-50, 50))
def test_an_offset_moves_whole_slices(source: int, per_slice: int, offset: int) -> None:
    wanted = slice_of_mosaic(source, per_slice) + offset
    if wanted < 1:
        with pytest.raises(BadInput, match="--slice-offset"):
            logical_mosaic(source, per_slice, offset)
        return
    mosaic = logical_mosaic(source, per_slice, offset)
    assert slice_of_mosaic(mosaic, per_slice) == wanted
    assert illumination(mosaic, per_slice) == illumination(source, per_slice)


@pytest.mark.parametrize("name", ["", "a b", "../x", "x/y", "-x", "ü", "x" * 65, ".x"])
def test_names_that_cannot_be_paths_or_blocks_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="PROJECT"):
        check_project_name(name)
    with pytest.raises((BadInput, ValidationError)):
        BatchId(project=name, slice=1, mosaic=1, batch=1)


def test_slugs() -> None:
    assert slug("Brain_42.b") == "brain-42-b"


def test_payloads_name_the_field_and_keep_what_labs_add() -> None:
    ident = batch_id("brain", 1, 1, 2)
    good = {"batch_ident": ident.model_dump(), "file_list": ["a"], "project_base_path": "/p", "lab": "ours"}
    assert read_payload(BatchReady, good).model_dump()["lab"] == "ours"
    with pytest.raises(BadInput, match=r"file_list = 'a': .*list.*expected batch_ident, file_list, project_base_path"):
        read_payload(BatchReady, good | {"file_list": "a"})


def test_errors_cross_process_boundaries_whole() -> None:
    error = BadInput("file.nii", found="3 bytes", expected="4", action="Copy it again.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is BadInput and isinstance(copy, OpticstreamError)
    assert str(copy) == "file.nii: found 3 bytes; expected 4. Copy it again." and copy.found == "3 bytes"
