import pytest

from opticstream.watch.mosaic_ranges import MosaicRanges
from opticstream.watch.oct_source import OCTSource


@pytest.fixture
def source(bench):
    return make(bench)


def make(bench, kinds=("complex",), ranges="1:999999", pattern="*cropped_focus*.nii"):
    return OCTSource(
        bench.folder,
        grid_size_y=2,
        kinds=kinds,
        batches_of=lambda mosaic: 3,
        ranges=MosaicRanges.parse(ranges),
        pattern=pattern,
    )


def problems(source):
    return [str(problem) for problem in source.problems]


# files (mosaic, tile, ending) -> complete batches, incomplete (batch, missing tiles)
CASES = {
    "nothing": ([], [], []),
    "one whole batch": ([(1, 1, "a"), (1, 2, "a")], [(1, 1)], []),
    "two batches, one whole": ([(1, 1, "a"), (1, 2, "a"), (1, 4, "a")], [(1, 1)], [(1, 2, (3,))]),
    "tiles of different batches": ([(1, 2, "a"), (1, 3, "a")], [], [(1, 1, (1,)), (1, 2, (4,))]),
    "tiles of different mosaics": ([(1, 1, "a"), (2, 2, "a")], [], [(1, 1, (2,)), (2, 1, (1,))]),
}


@pytest.mark.parametrize(("files", "complete", "incomplete"), CASES.values(), ids=CASES)
def test_batching(bench, source, files, complete, incomplete):
    for mosaic, tile, _ in files:
        bench.tile(mosaic, tile)
    assert sorted(source.poll().changed) == complete
    assert [(unit.source_mosaic, unit.batch, unit.missing_tiles) for unit in source.incomplete] == incomplete
    assert not source.poll().changed
    assert source.problems == ()


def test_both_kinds_are_needed_where_both_are_saved(bench):
    source = make(bench, ("complex", "spectral"))
    for tile in (1, 2):
        bench.tile(1, tile, ending="processed_cropped_focus.nii")
    bench.tile(1, 1, ending="spectral_cropped_focus.nii")
    assert not source.poll().changed
    assert source.incomplete[0].missing_tiles == (2,)
    assert "3 of 4 files" in str(source.incomplete[0])
    bench.tile(1, 2, ending="spectral_cropped_focus.nii")
    delta = source.poll()
    assert [source.kind_of(mark) for mark in delta.changed[1, 1]] == ["complex", "spectral"] * 2


def test_a_name_without_kind_is_a_problem_where_both_are_saved(bench):
    source = make(bench, ("complex", "spectral"))
    path = bench.tile(1, 1, ending="cropped_focus.nii")
    source.poll()
    assert [text for text in problems(source) if str(path) in text and "either spectral or processed" in text]


def test_a_name_without_kind_is_of_the_only_kind(bench, source):
    bench.tile(1, 1, ending="cropped_focus.nii")
    bench.tile(1, 2, ending="cropped_focus.nii")
    assert list(source.poll().changed) == [(1, 1)]


def test_files_of_another_kind_are_left_out_and_said_once(bench, source):
    for tile in (1, 2):
        bench.tile(1, tile, ending="spectral_cropped_focus.nii")
    bench.batch(1, 1)
    assert [len(files) for files in source.poll().changed.values()] == [2]
    assert len(problems(source)) == 1
    assert "tile_saving_type" in problems(source)[0]


def test_two_of_a_kind_block_their_batch_and_name_both(bench, source):
    bench.batch(1, 1)
    other = bench.folder / "mosaic_1_image_1_processed_cropped_focus.nii"
    other.write_text("x")
    bench.batch(1, 2)
    assert list(source.poll().changed) == [(1, 2)]
    assert str(other) in problems(source)[0]
    assert "mosaic_001_image_0001_processed_cropped_focus.nii" in problems(source)[0]
    other.unlink()
    assert list(source.poll().changed) == [(1, 1)]
    assert source.problems == ()


def test_batches_past_the_grid_are_one_problem_for_the_mosaic(bench, source):
    bench.batch(1, 3)
    bench.batch(1, 4)
    bench.batch(1, 5)
    assert list(source.poll().changed) == [(1, 3)]
    assert len(problems(source)) == 1
    assert "tile 10 is in batch 5" in problems(source)[0]
    for path in bench.folder.glob("*_image_000[789]_*"):
        path.unlink()
    (bench.folder / "mosaic_001_image_0010_processed_cropped_focus.nii").unlink()
    source.poll()
    assert source.problems == ()


def test_numbers_below_one_are_a_problem(bench, source):
    bench.tile(0, 1)
    bench.tile(1, 0)
    source.poll()
    assert len([text for text in problems(source) if "counted from 1" in text]) == 2


def test_a_folder_named_like_a_tile_is_a_problem_until_it_goes(bench, source):
    path = bench.folder / "mosaic_001_image_0001_processed_cropped_focus.nii"
    path.mkdir()
    bench.tile(1, 2)
    source.poll()
    assert "not a regular file" in problems(source)[0]
    path.rmdir()
    bench.tile(1, 1)
    assert list(source.poll().changed) == [(1, 1)]
    assert source.problems == ()


def test_a_file_replaced_by_a_folder_is_no_longer_a_tile(bench, source):
    paths = bench.batch(1, 1)
    source.poll()
    paths[0].unlink()
    paths[0].mkdir()
    assert list(source.poll().gone) == [(1, 1)]
    assert source.files == 1


def test_a_symbolic_link_to_a_file_is_a_tile_and_a_broken_one_is_not(bench, source, tmp_path):
    first, second = bench.batch(1, 1)
    real = tmp_path / "real"
    first.rename(real)
    first.symlink_to(real)
    assert list(source.poll().changed) == [(1, 1)]
    real.unlink()
    assert list(source.poll().gone) == [(1, 1)]
    assert second.exists()
    assert source.problems == ()


def test_unrelated_files_and_other_mosaics_change_nothing(bench):
    source = make(bench, ranges="1:2")
    bench.batch(1, 1)
    source.poll()
    (bench.folder / "mosaic_001_image_0001_dBI.nii").write_text("x")
    (bench.folder / "notes.txt").write_text("x")
    (bench.folder / "sub").mkdir()
    bench.batch(3, 1)
    delta = source.poll()
    assert (dict(delta.changed), list(delta.gone), source.files, source.problems) == ({}, [], 2, ())
    (bench.folder / "notes.txt").unlink()
    assert not source.poll().gone


def test_changes_and_losses_are_told_by_batch(bench, source):
    first = bench.batch(1, 1)
    bench.batch(1, 2)
    source.poll()
    first[0].write_text("longer")
    assert list(source.poll().changed) == [(1, 1)]
    bench.tile(1, 3, "longer").rename(bench.folder / "elsewhere")
    first[1].unlink()
    delta = source.poll()
    assert (set(delta.gone), dict(delta.changed)) == ({(1, 1), (1, 2)}, {})
    assert [unit.missing_tiles for unit in source.incomplete] == [(2,), (3,)]


def test_a_change_and_a_loss_in_one_pass(bench, source):
    first, second = bench.batch(1, 1)
    third, _ = bench.batch(1, 2)
    source.poll()
    first.write_text("longer")
    third.unlink()
    delta = source.poll()
    assert (list(delta.changed), list(delta.gone), source.files) == ([(1, 1)], [(1, 2)], 3)
    assert [mark[0] for mark in delta.changed[1, 1]] == [first.name, second.name]
    assert not source.poll().changed


def test_one_listing_and_at_most_one_stat_per_tile_and_pass(bench, source, scans):
    (bench.folder / "notes.txt").write_text("x")
    (bench.folder / "mosaic_001_image_0009_processed_cropped_focus.nii").mkdir()
    paths = bench.batch(1, 1) + bench.batch(1, 2)
    for number in range(1, 5):
        source.poll()
        assert scans.listings == number
        assert set(scans.stats.values()) == {number}
        assert set(scans.stats) >= {path.name for path in paths}
        assert "notes.txt" not in scans.stats
        paths[0].write_text("x" * number)


def test_a_file_that_vanishes_between_listing_and_stat_is_simply_not_there(bench, source, scans):
    paths = bench.batch(1, 1)
    scans.fail[paths[0].name] = FileNotFoundError()
    assert not source.poll().changed
    assert source.problems == ()
    del scans.fail[paths[0].name]
    assert list(source.poll().changed) == [(1, 1)]
    scans.fail[paths[0].name] = FileNotFoundError()
    assert list(source.poll().gone) == [(1, 1)]


def test_a_file_that_cannot_be_looked_at_is_a_problem(bench, source, scans):
    paths = bench.batch(1, 1)
    scans.fail[paths[0].name] = PermissionError(13, "Permission denied")
    source.poll()
    assert "cannot be looked at: Permission denied" in problems(source)[0]
    scans.fail.clear()
    assert list(source.poll().changed) == [(1, 1)]
    assert source.problems == ()


def test_a_listing_that_breaks_off_leaves_everything_as_it_was(bench, source, scans):
    bench.batch(1, 1)
    source.poll()
    bench.batch(1, 2)
    scans.fail[None] = OSError(5, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        source.poll()
    assert source.files == 2
    scans.fail.clear()
    delta = source.poll()
    assert (list(delta.changed), list(delta.gone)) == ([(1, 2)], [])
