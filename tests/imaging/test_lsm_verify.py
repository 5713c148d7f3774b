"""What verification must notice, since raw data are deleted on its word."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from opticstream.core.errors import BadFile
from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm import ConversionRecord, convert_strip, open_spool, read_ledger, verify_strip
from support.spool_strip import write_info, write_strip


class Product:
    """A converted strip, of which each test damages a copy of its own."""

    def __init__(self, folder: Path, version: Literal["0.4", "0.5"]) -> None:
        self.raw, self.zarr, self.mip = folder / "Run1", folder / "s.ome.zarr", folder / "mip.tiff"
        write_strip(self.raw, frames=40, rows=20, columns=30, more_columns=2)
        self.info = write_info(folder / "info.mat", 40, 2)
        options = ZarrOptions(chunk=16, ome_version=version)
        self.record: ConversionRecord = convert_strip(
            open_spool(self.raw, self.info), self.zarr, mip=self.mip, options=options, voxel_size_um=(1, 1, 1),
            name="s", checksum="xxh3",
        )  # fmt: skip

    def problems(self, *, raw: bool = False) -> tuple[str, ...]:
        against = open_spool(self.raw, self.info) if raw else None
        found = verify_strip(self.zarr, self.mip, self.record, against=against, workers=2)
        assert found.verified == (not found.problems)
        return found.problems


@pytest.fixture(params=["0.5", "0.4"])
def product(tmp_path: Path, request: pytest.FixtureRequest) -> Product:
    return Product(tmp_path, request.param)


def test_what_was_written_is_verified(product: Product) -> None:
    found = verify_strip(product.zarr, product.mip, product.record)
    assert found.verified and found.voxels == 20 * 30 * 38 and not found.against_raw
    assert found.files == sum(path.is_file() for path in product.zarr.rglob("*")) + 1
    assert verify_strip(
        product.zarr, product.mip, product.record, against=open_spool(product.raw, product.info)
    ).against_raw


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_in_any_file_is_noticed(product: Product) -> None:
    rng = np.random.default_rng(5)
    files = [path for path in product.zarr.rglob("*") if path.is_file()]
    for path in [*files, product.mip]:
        data = path.read_bytes()
        for at in (0, len(data) - 1, int(rng.integers(len(data)))):
            _flip(path, at)
            assert any(problem.startswith(f"{path}: ") for problem in product.problems()), (path, at)
            path.write_bytes(data)
    assert product.problems() == ()


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.write_bytes(b"")],
    ids=["missing", "truncated", "empty"],
)
def test_a_file_that_is_not_whole_is_noticed(product: Product, damage: Callable[[Path], object]) -> None:
    for path in [*(path for path in product.zarr.rglob("*") if path.is_file()), product.mip]:
        kept = path.read_bytes()
        damage(path)
        problems = product.problems()
        assert [problem for problem in problems if problem.startswith(f"{path}: ")], (path, problems)
        path.write_bytes(kept)


def test_an_added_file_is_noticed(product: Product) -> None:
    (product.zarr / "1" / "stray").touch()
    assert "did not write" in product.problems()[0]


def test_the_record_decides_not_the_ledger(product: Product, tmp_path: Path) -> None:
    """A product of other voxels, in itself consistent, is not this record's."""
    other = tmp_path / "other"
    write_strip(other / "Run1", frames=40, rows=20, columns=30, more_columns=2, seed=1)
    options = ZarrOptions(chunk=16, ome_version=product.record.ome_version)  # type: ignore[arg-type]
    convert_strip(
        open_spool(other / "Run1", product.info), other / "z", mip=None, options=options, voxel_size_um=(1, 1, 1),
        name="s", checksum="xxh3",
    )  # fmt: skip
    shutil.rmtree(product.zarr)
    (other / "z").rename(product.zarr)
    assert "ledger.json" in product.problems()[0]


def test_no_projection_where_one_was_written(product: Product) -> None:
    assert "projection" in verify_strip(product.zarr, None, product.record).problems[0]


@pytest.mark.parametrize(
    "place", [(0, 3, 4), (3, 21, 5), (2, 4, 31), (39, 2, 2)], ids=["image", "rows", "stride", "background"]
)
def test_raw_data_that_are_not_what_was_converted_are_noticed(product: Product, place: tuple[int, int, int]) -> None:
    """Wherever in the files one bit differs."""
    assert product.problems(raw=True) == ()
    frame, row, pixel = place
    path = open_spool(product.raw).files[frame // 6].path
    _flip(path, ((frame % 6 * 22 + row) * 32 + pixel) * 2)
    problems = product.problems(raw=True)
    assert any("than in the raw files" in problem for problem in problems)
    assert any(problem.startswith(f"{path}: ") for problem in problems)
    assert product.problems() == ()


def test_another_strip_is_not_compared(product: Product, tmp_path: Path) -> None:
    write_strip(tmp_path / "Run2", frames=46, rows=20, columns=30, more_columns=2)
    found = verify_strip(product.zarr, product.mip, product.record, against=open_spool(tmp_path / "Run2"))
    assert "Run2" in found.problems[0] and not found.verified and not found.against_raw


@pytest.mark.parametrize("background", [0, 1, 4])
def test_frames_that_are_counted_otherwise_since_are_noticed(product: Product, background: int) -> None:
    """An info file that was corrected after the conversion: the image holds other frames than it would now."""
    write_info(product.info, 40, background)
    (problem,) = product.problems(raw=True)
    assert "Run1: found" in problem and f"{40 - background} frames and {background} more" in problem
    assert "38 frames and 2 more, as they were converted" in problem


def test_what_check_raises_ends_it(product: Product) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_strip(product.zarr, product.mip, product.record, check=check)


def test_a_ledger_of_another_record_is_refused(product: Product) -> None:
    assert read_ledger(product.zarr, product.record).raw[0].bytes == 6 * 22 * 64
    with pytest.raises(BadFile, match="as the conversion wrote"):
        read_ledger(product.zarr, product.record.model_copy(update={"ledger_xxh3": "0" * 32}))
