"""A converted strip: every voxel, level, projection and checksum against an independently written strip."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic_zarr.v2
import pytest
import tensorstore
import tifffile
import xxhash
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ome_zarr_models.v04.image import Image as Image04
from ome_zarr_models.v05.image import Image as Image05

from opticstream.core.errors import BadFile
from opticstream.core.lsm_config import ZarrOptions
from opticstream.imaging.lsm import ConversionRecord, convert_strip, open_spool, read_ledger, verify_strip
from support.spool_strip import Spooled, write_info, write_strip

# Its annotations name what only its own module's imports define, which newer pydantic does not look up.
Image04.model_rebuild(_types_namespace=vars(pydantic_zarr.v2))
SMALL = ZarrOptions(chunk=16)
VOXEL = (1.5, 0.5, 2.0)


def convert(spooled: Spooled, out: Path, options: ZarrOptions = SMALL, **more: Any) -> ConversionRecord:
    strip = open_spool(spooled.folder, more.pop("info", None))
    arguments: dict[str, Any] = {"mip": out / "mip.tiff", "name": "strip", "workers": 2} | more
    return convert_strip(strip, out / "s.ome.zarr", options=options, voxel_size_um=VOXEL, **arguments)


def levels(out: Path) -> list[NDArray[Any]]:
    group = zarr.open_group(out / "s.ome.zarr", mode="r")
    found = []
    while str(len(found)) in group:
        array = group[str(len(found))]
        assert isinstance(array, zarr.Array)
        found.append(np.asarray(array[:]))
    return found


def halved(volume: NDArray[Any]) -> NDArray[Any]:
    """Mean of what there is of 2 x 2 x 2 voxels, to the nearest whole number, halves to even."""
    total = np.zeros([-(-length // 2) for length in volume.shape])
    count = np.zeros_like(total)
    for corner in np.ndindex(2, 2, 2):
        part = volume[tuple(slice(start, None, 2) for start in corner)]
        where = tuple(slice(0, length) for length in part.shape)
        total[where] += part
        count[where] += 1
    return np.rint(total / count).astype(volume.dtype)


def check_everything(spooled: Spooled, out: Path, record: ConversionRecord, frames: int | None = None) -> None:
    image = spooled.image[:, :, :frames]
    found = levels(out)
    assert record.shape == image.shape and len(found) == record.levels
    assert np.array_equal(found[0], image) and found[0].dtype == image.dtype
    for high, low in pairwise(found):
        assert np.array_equal(low, halved(high))
    mip = tifffile.imread(out / "mip.tiff")
    assert np.array_equal(mip.reshape(image.shape[1:]), image.max(axis=0)) and mip.dtype == image.dtype
    group = zarr.open_group(out / "s.ome.zarr", mode="r")
    kept = spooled.stored[:frames, spooled.rows :]
    assert np.array_equal(group["camera_metadata"], kept)  # type: ignore[arg-type]
    if spooled.stored.shape[2] > spooled.columns:
        beside = spooled.stored[:frames, : spooled.rows, spooled.columns :]
        assert np.array_equal(group["stride_padding"], beside)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
@pytest.mark.parametrize("slab_bytes", [1 << 30, 9000, 1])
def test_all_that_was_spooled_is_there(
    tmp_path: Path, version: Literal["0.4", "0.5"], dtype: str, slab_bytes: int
) -> None:
    """Odd sizes, several chunks on each axis, several slabs to a shard and thick and thin ones."""
    spooled = write_strip(tmp_path / "Run1", frames=77, rows=37, columns=45, more_columns=3, dtype=dtype)
    options = ZarrOptions(chunk=16, ome_version=version)
    record = convert(spooled, tmp_path, options, slab_bytes=slab_bytes)
    check_everything(spooled, tmp_path, record)
    assert record.levels == 4 and record.dtype == dtype
    assert verify_strip(
        tmp_path / "s.ome.zarr", tmp_path / "mip.tiff", record, against=open_spool(tmp_path / "Run1")
    ).verified


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 70)),
    frames_per_file=st.integers(1, 40),
    more=st.integers(0, 5),
    dtype=st.sampled_from(["uint16", "uint8"]),
    slab=st.sampled_from([1, 5_000, 50_000, 1 << 30]),
    version=st.sampled_from(["0.5", "0.4"]),
)
def test_any_shape(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: tuple[int, int, int],
    frames_per_file: int,
    more: int,
    dtype: str,
    slab: int,
    version: Literal["0.4", "0.5"],
) -> None:
    out = tmp_path_factory.mktemp("any")
    rows, columns, frames = sizes
    spooled = write_strip(
        out / "Run1", rows=rows, columns=columns, frames=frames, frames_per_file=frames_per_file,
        more_columns=more, dtype=dtype,
    )  # fmt: skip
    record = convert(spooled, out, ZarrOptions(chunk=32, ome_version=version), slab_bytes=slab)
    check_everything(spooled, out, record)


def test_without_a_compiler_the_bytes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=77, rows=37, columns=45)
    compiled = convert(spooled, tmp_path / "a", slab_bytes=9000)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    plain = convert(spooled, tmp_path / "b", slab_bytes=9000)
    assert (plain.ledger_xxh3, plain.mip_xxh3) == (compiled.ledger_xxh3, compiled.mip_xxh3)


def test_one_frame(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=1, rows=1, columns=1)
    record = convert(spooled, tmp_path)
    check_everything(spooled, tmp_path, record)
    assert record.levels == 1


@pytest.mark.parametrize("asked", [1, 3, 12])
def test_so_many_levels_as_asked_for(tmp_path: Path, asked: int) -> None:
    """A single voxel is not halved."""
    spooled = write_strip(tmp_path / "Run1", frames=20, rows=12, columns=18)
    record = convert(spooled, tmp_path, ZarrOptions(chunk=16, pyramid_levels=asked))
    check_everything(spooled, tmp_path, record)
    assert record.levels == min(asked, 6)


def test_extremes_do_not_overflow(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1")
    for file in spooled.files():
        file.write_bytes(b"\xff" * file.stat().st_size)
    spooled.stored[:] = 65535
    check_everything(spooled, tmp_path, convert(spooled, tmp_path))


def test_the_pyramid_is_unbiased(tmp_path: Path) -> None:
    """Rounding halves up would add a sixteenth of a count a level."""
    spooled = write_strip(tmp_path / "Run1", frames=128, rows=64, columns=128, frames_per_file=128)
    convert(spooled, tmp_path, ZarrOptions(chunk=32, pyramid_levels=4))
    for level in levels(tmp_path)[1:]:
        # Means of 2^20 to 2^11 rounded values: the sum of what rounding adds is far below the bound.
        factor = 128 // level.shape[2]
        exact = spooled.image.reshape(64 // factor, factor, 128 // factor, factor, 128 // factor, factor)
        mean = float((level - exact.mean(axis=(1, 3, 5))).mean())
        assert abs(mean) < 0.05, (factor, mean)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("shuffle", ["bitshuffle", "shuffle", "none"])
def test_metadata_is_valid_and_other_readers_agree(
    tmp_path: Path, version: Literal["0.4", "0.5"], codec: Any, shuffle: Any
) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=40, rows=20, columns=30)
    record = convert(spooled, tmp_path, ZarrOptions(chunk=16, ome_version=version, codec=codec, shuffle=shuffle))
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    image = Image05.from_zarr(group) if version == "0.5" else Image04.from_zarr(group)
    attributes = image.attributes.ome if version == "0.5" else image.attributes  # type: ignore[union-attr]
    multiscale = attributes.multiscales[0]
    assert [(axis.name, axis.type, axis.unit) for axis in multiscale.axes] == [
        (n, "space", "micrometer") for n in "zyx"
    ]
    for index, dataset in enumerate(multiscale.datasets):
        scale, translation = dataset.coordinateTransformations
        assert scale.scale == [size * 2**index for size in VOXEL]
        # The middle of the first voxel is the mean of those it was made of.
        assert translation.translation == [size * (2**index - 1) / 2 for size in VOXEL]
    assert len(multiscale.datasets) == record.levels == 3
    driver = "zarr3" if version == "0.5" else "zarr"
    for index, level in enumerate(levels(tmp_path)):
        store = {"driver": "file", "path": str(tmp_path / "s.ome.zarr" / str(index))}
        other = tensorstore.open({"driver": driver, "kvstore": store}).result().read().result()
        assert np.array_equal(other, level)
    assert np.array_equal(levels(tmp_path)[0], spooled.image)
    assert {name for name, _ in group.members()} == {"0", "1", "2", "camera_metadata"}


def test_a_shard_holds_a_chunks_width_of_frames(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=40, rows=20, columns=30)
    record = convert(spooled, tmp_path, slab_bytes=3000)
    shards = sorted((tmp_path / "s.ome.zarr" / "0" / "c").rglob("*"))
    assert [path.name for path in shards if path.is_file()] == ["0", "1", "2"]
    assert record.zarr_files == sum(path.is_file() for path in (tmp_path / "s.ome.zarr").rglob("*")) - 1


def test_background_frames_are_kept_beside_the_image(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=40)
    record = convert(spooled, tmp_path, info=write_info(tmp_path / "info.mat", 40, 21), slab_bytes=5000)
    check_everything(spooled, tmp_path, record, frames=19)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    assert np.array_equal(group["background_frames"], spooled.stored[19:])  # type: ignore[arg-type]
    strip = open_spool(tmp_path / "Run1", tmp_path / "info.mat")
    assert verify_strip(tmp_path / "s.ome.zarr", tmp_path / "mip.tiff", record, against=strip).verified


# --- projection, checksums, sink


def test_projection_has_its_resolution_and_no_padding(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1")
    for file in spooled.files():  # a dark image: anything bright is padding
        data = np.fromfile(file, "<u2").reshape(-1, 14, 18)
        data[:, :12] %= 100
        data.tofile(file)
    record = convert(spooled, tmp_path)
    with tifffile.TiffFile(tmp_path / "mip.tiff") as tiff:
        page = tiff.pages.first
        assert page.shape == (18, 20) and page.asarray().max() < 100
        assert page.tags["ResolutionUnit"].value == 3
        x, y = (page.tags[name].value for name in ("XResolution", "YResolution"))
        assert (x[0] / x[1], y[0] / y[1]) == (10_000 / VOXEL[2], 10_000 / VOXEL[1])
    data = (tmp_path / "mip.tiff").read_bytes()
    assert (record.mip_bytes, record.mip_xxh3) == (len(data), xxhash.xxh3_128_hexdigest(data))


def test_a_wide_projection_is_written_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opticstream.imaging.lsm.mip_file._BLOCK_BYTES", 18 * 2 * 7)
    monkeypatch.setattr("opticstream.imaging.lsm.mip_file._CLASSIC_BYTES", 100)
    spooled = write_strip(tmp_path / "Run1", frames=50)
    check_everything(spooled, tmp_path, convert(spooled, tmp_path, slab_bytes=2000))
    with tifffile.TiffFile(tmp_path / "mip.tiff") as tiff:
        assert tiff.is_bigtiff


def test_no_projection_unless_asked_for(tmp_path: Path) -> None:
    record = convert(write_strip(tmp_path / "Run1"), tmp_path, mip=None)
    assert not (tmp_path / "mip.tiff").exists() and record.mip_bytes is record.mip_xxh3 is None
    assert verify_strip(tmp_path / "s.ome.zarr", None, record).verified


class Copies:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.open: tuple[str, int, bytearray] | None = None

    def begin(self, name: str, size: int) -> None:
        assert self.open is None and name not in self.files
        self.open = (name, size, bytearray())

    def write(self, data: memoryview) -> None:
        assert self.open is not None
        self.open[2].extend(data)

    def end(self, name: str) -> None:
        assert self.open is not None and self.open[0] == name and self.open[1] == len(self.open[2])
        self.files[name] = bytes(self.open[2])
        self.open = None


@pytest.mark.parametrize("checksum", ["none", "xxh3", "sha256"])
@pytest.mark.parametrize("slab_bytes", [1 << 30, 2000])
def test_the_one_read_gives_checksums_and_a_copy(
    tmp_path: Path, checksum: str, slab_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that span slabs, and slabs that span files; background frames belong to the copy too."""
    monkeypatch.setattr("opticstream.imaging.lsm.spool_reader._PIECE_BYTES", 1000)
    spooled = write_strip(tmp_path / "Run1", frames=41, frames_per_file=3)
    info = write_info(tmp_path / "info.mat", 41, 7)
    sink = Copies()
    record = convert(spooled, tmp_path, checksum=checksum, sink=sink, info=info, slab_bytes=slab_bytes)
    expected = {file.name: file.read_bytes() for file in spooled.files()}
    assert list(sink.files) == list(expected) and sink.files == expected
    take = {
        "none": lambda data: None,
        "xxh3": xxhash.xxh3_128_hexdigest,
        "sha256": lambda d: hashlib.sha256(d).hexdigest(),
    }
    ledger = read_ledger(tmp_path / "s.ome.zarr", record)
    assert {file.name: file.checksum for file in ledger.raw} == {n: take[checksum](d) for n, d in expected.items()}
    assert record.raw_bytes == sum(map(len, expected.values())) and record.raw_files == 14


def test_a_record_is_json_and_comes_back(tmp_path: Path) -> None:
    record = convert(write_strip(tmp_path / "Run1"), tmp_path)
    text = json.dumps(record.as_json())
    assert ConversionRecord.model_validate_json(text) == record and len(text) < 1000
    assert record.ratio == pytest.approx(record.raw_bytes / record.zarr_bytes, abs=1e-4)


def test_progress_reaches_the_end_and_old_content_goes(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=50)
    (tmp_path / "s.ome.zarr" / "9").mkdir(parents=True)
    (tmp_path / "s.ome.zarr" / "9" / "old").touch()
    seen: list[tuple[int, int]] = []
    convert(spooled, tmp_path, slab_bytes=2000, progress=lambda done, total: seen.append((done, total)))
    total = spooled.stored.nbytes
    assert seen == sorted(seen) and len(seen) > 5 and seen[-1] == (total, total)
    assert not (tmp_path / "s.ome.zarr" / "9").exists()


def test_two_conversions_give_the_same_bytes(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1", frames=50, rows=40)
    first, second = (convert(spooled, tmp_path / name, workers=n) for name, n in (("a", 1), ("b", 3)))
    assert (first.ledger_xxh3, first.mip_xxh3) == (second.ledger_xxh3, second.mip_xxh3)


def test_a_raw_file_that_changes_is_noticed(tmp_path: Path) -> None:
    spooled = write_strip(tmp_path / "Run1")
    strip = open_spool(spooled.folder)
    spooled.files()[2].write_bytes(b"short")
    with pytest.raises(BadFile, match=spooled.files()[2].name):
        convert_strip(
            strip, tmp_path / "s.ome.zarr", mip=tmp_path / "mip.tiff", options=SMALL, voxel_size_um=VOXEL, name="s"
        )
    assert not (tmp_path / "s.ome.zarr").exists() and not (tmp_path / "mip.tiff").exists()
