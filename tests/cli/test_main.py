"""The command as a whole: quick, quiet, one line per error, and exit codes that scripts can use."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from opticstream import __version__
from opticstream.cli.main import GROUPS
from support.command import command_environment, run_command, run_in_turn


@pytest.mark.parametrize("arguments", [[], ["--help"], *([name, "--help"] for name in sorted(GROUPS))])
def test_help_does_not_import_prefect(arguments: list[str], home: Path) -> None:
    script = (
        "import sys\n"
        "from opticstream.cli.main import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'numba', 'nibabel'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=command_environment(home), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout + done.stderr
    assert not home.exists()


def test_version(home: Path) -> None:
    assert run_command(command_environment(home), "--version").stdout.strip() == __version__


WRONG: list[tuple[list[str], int, str]] = [
    (["oct", "watch", "nothing", "."], 1, "nothing"),
    (["oct", "state", "show", "nothing", "--json"], 1, "opticstream oct setup"),
    (["oct", "process", "nothing", "1/x/1"], 2, "UNIT"),
    (["oct", "watch", "nothing", ".", "--refresh", "sas9"], 2, "sas3"),
    (["oct", "watch", "nothing", ".", "--refresh", "sas", "--no-direct"], 2, "--no-direct"),
    (["oct", "simulate", "out", "--shape", "1x2"], 2, "64x64x128"),
    (["oct", "simulate", "out", "--kind", "raw"], 2, "complex_with_spectral"),
    (["oct", "simulate", "out", "--kind", "spectral", "--spectral-layout", "any"], 2, "sample_fastest"),
    (["oct", "setup", "x", "--project-base-path", "p", "--tile-saving-type", "spectral"], 2, "--calibration-file"),
    (["oct", "setup", "x", "--project-base-path", "p", "--calibration-file", "no.mat"], 2, "no.mat: found No such"),
    (
        ["oct", "setup", "x", "--project-base-path", "p", "--tile-saving-type", "processed_with_spectral"],
        2,
        "not taken over",
    ),
    (["oct", "setup", "x", "--project-base-path", "p", "--grid-size-y", "0"], 2, "grid_size_y"),
    (["oct", "setup", "x", "--project-base-path", "p", "--set", "processing.depth=3"], 2, "processing.depth"),
    (["oct", "setup", "x", "--project-base-path", "p", "--set", "archive_path=a"], 2, "not archived in this version"),
    (["oct", "simulate", "out", "--shape", "9000x8x8"], 2, "an axis of 36000"),
    (["oct", "setup", "x/y", "--project-base-path", "p"], 2, "x/y"),
]


def test_errors_are_one_line_that_names_what_is_wrong(home: Path, tmp_path: Path) -> None:
    answers = run_in_turn(command_environment(home), [arguments for arguments, _, _ in WRONG], tmp_path)
    for (arguments, code, says), answer in zip(WRONG, answers, strict=True):
        assert (answer.code, answer.stdout) == (code, ""), (arguments, answer)
        assert answer.stderr.startswith("error: ") and answer.stderr.count("\n") == 1, (arguments, answer)
        assert says in answer.stderr, (arguments, answer)
    assert not (tmp_path / "p").exists() and not (tmp_path / "out").exists()


def test_folders_with_brackets_are_told_as_they_are_called(home: Path, tmp_path: Path) -> None:
    """Square brackets are markup to what draws on the terminal."""
    small = ("--shape", "16x16x16")
    calls = [
        ["oct", "simulate", "a [old]", *small, "--kind", "spectral", "--batches", "1", "--tiles-per-batch", "1"],
        ["lsm", "simulate", "b [old]", *small],
        ["lsm", "simulate", "c [/x]", *small],
    ]
    first, second, third = run_in_turn(command_environment(home), calls, tmp_path)
    assert [answer.code for answer in (first, second, third)] == [0, 0, 0]
    assert "1 files in a [old]; ground truth in a [old]" in first.stdout
    assert f"--calibration-file {shlex.quote(str(Path('a [old]', 'calibration.mat')))} " in first.stdout
    assert (
        "2 strips in b [old]; ground truth in b [old]" in second.stdout
        and f"strips in {Path('c [/x]')};" in third.stdout
    )


def test_unknown_commands_and_options_are_usage_errors(home: Path) -> None:
    environment = command_environment(home)
    assert "No such command" in run_command(environment, "octt", expect=2).stderr
    assert "No such option" in run_command(environment, "oct", "watch", "a", "b", "--onec", expect=2).stderr


def test_settings_say_where_they_come_from(home: Path) -> None:
    home.mkdir()
    (home / "settings.yaml").write_text("lease_s: 12.5\n")
    environment = command_environment(
        home, OPTICSTREAM_MAX_ATTEMPTS="7", OPTICSTREAM_STATE_URL="postgresql://me:hunter2@db/state"
    )
    done = run_command(environment, "config", "show", "--json")
    assert "hunter2" not in done.stdout + done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["settings"]}
    assert (rows["lease_s"]["value"], rows["lease_s"]["source"]) == (12.5, str(home / "settings.yaml"))
    assert (rows["max_attempts"]["value"], rows["max_attempts"]["source"]) == (7, "environment")
    assert rows["dispatch"]["source"] == "default"
    assert "OPTICSTREAM_LEASE_S" in run_command(environment, "config", "show").stdout


@pytest.mark.parametrize(
    ("content", "says"), [("leas_s: 1", "leas_s"), ("lease_s: soon", "lease_s"), ("lease_s: [", "settings.yaml")]
)
def test_a_bad_settings_file_is_one_line(content: str, says: str, home: Path) -> None:
    home.mkdir()
    (home / "settings.yaml").write_text(content)
    done = run_command(command_environment(home), "config", "show", expect=2)
    assert done.stderr.count("\n") == 1 and says.lower() in done.stderr.lower()
