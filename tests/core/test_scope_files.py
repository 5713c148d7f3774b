"""Files of a scope are found in the order they were begun."""

from pathlib import Path

from opticstream.core.scope_files import tracking_files


def test_a_file_that_goes_on_comes_after_the_one_it_goes_on_from(tmp_path: Path) -> None:
    stem, later = "Tracking Data 2026-11-21 21-25-16.395427", "Tracking Data 2026-11-21 22-00-00.000001"
    names = [f"{stem}.h5", f"{stem} (1).h5", f"{stem} (2).h5", f"{stem} (10).h5", f"{later}.h5"]
    for name in reversed(names):
        (tmp_path / name).touch()
    (tmp_path / "Video (1).h5").touch()
    assert [path.name for path in tracking_files(tmp_path)] == names
