"""Spectral tiles from simulation to products, by the commands an operator types."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.command import command_environment, run_command

FAST = ("--once", "--stability-seconds", "0.3", "--poll-interval", "0.1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layout", "other"),
    [
        ("spectral", "sample_fastest", "aline_fastest"),
        ("spectral_12bit", "aline_fastest", None),
        ("complex_with_spectral", "aline_fastest", "sample_fastest"),
    ],
)
def test_what_simulate_says_sets_the_project_up(
    home: Path, server: str, tmp_path: Path, kind: str, layout: str, other: str | None
) -> None:
    environment = command_environment(home, server)
    tiles, base = tmp_path / "tiles", tmp_path / "products"
    simulate = ("oct", "simulate", tiles, "--kind", kind, "--spectral-layout", layout, "--shape", "16x12x40")
    options: list[str] = json.loads(run_command(environment, *simulate, "--batches", "1", "--json").stdout)[
        "setup_options"
    ]

    def setup(*more: str) -> dict[str, Any]:
        grid = ("--grid-size-y", "3")
        done = run_command(environment, "oct", "setup", "demo", "--project-base-path", base, *grid, *more, "--json")
        config: dict[str, Any] = json.loads(done.stdout)["config"]
        return config

    watch = ("oct", "watch", "demo", tiles, *FAST, "--pattern", "*cropped_focus*.nii,*cropped_focus*.raw")
    if other is not None:
        setup(*(other if option == layout else option for option in options))
        said = run_command(environment, *watch, "--dry-run")
        assert "check acquisition.spectral_layout" in said.stdout + said.stderr
        assert "would take: nothing" in said.stdout
    config = setup(*options)
    assert Path(config["processing"]["calibration_file"]) == tiles / "calibration.mat"
    assert "1 completed" in run_command(environment, *watch).stdout
    assert len(list(base.rglob("*.nii"))) == 3 * 9


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"", "calibration.mat: found no whole MATLAB file"),
        (None, "calibration.mat: found No such file"),
    ],
)
def test_setup_looks_into_the_calibration(home: Path, tmp_path: Path, broken: bytes | None, says: str) -> None:
    path = tmp_path / "calibration.mat"
    if broken is not None:
        path.write_bytes(broken)
    options = ("--tile-saving-type", "spectral", "--spectral-layout", "aline_fastest", "--calibration-file", path)
    done = run_command(
        command_environment(home), "oct", "setup", "x", "--project-base-path", tmp_path / "p", *options, expect=2
    )
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "p").exists()
