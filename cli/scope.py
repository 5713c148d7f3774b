"""``opticstream scope``: the live microscope."""

import json as json_module
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opticstream.cli.console import err, print_json, print_line, setup_logging
from opticstream.cli.scope_settings import app as settings_app
from opticstream.core.errors import BadFile, BadInput
from opticstream.core.scope_files import FLOW_RUN_ID, TRUTH_NAME, tracking_files
from opticstream.core.settings import load_settings

if TYPE_CHECKING:
    from opticstream.scope import MagScope

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The live microscope: track beads, record, control.")
app.add_typer(settings_app, name="settings")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
_MODES = "What to record: Track, Track and Video (ROIs), Track and Video (Full), Video (ROIs), Video (Full)."
Name = Annotated[str, typer.Argument(metavar="NAME", help="The scope's name.")]


def _folder() -> Path:
    return Path(load_settings().home) / "scopes"


@app.command()
def run(
    name: Annotated[str, typer.Option("--name", help="Tells scopes of one computer apart.")] = "scope",
    camera: Annotated[
        str, typer.Option("--camera", help="beads, noise, fast-noise, or package.module:Class for one of yours.")
    ] = "beads",
    replay: Annotated[Path | None, typer.Option("--replay", help="Show a recorded video (TIFF, OME-Zarr).")] = None,
    camera_setting: Annotated[
        list[str] | None, typer.Option("--camera-setting", metavar="NAME=VALUE", help="A setting of the camera.")
    ] = None,
    beads: Annotated[
        str, typer.Option("--beads", help="auto: find them; a number: random places; or a file of places.")
    ] = "auto",
    script: Annotated[Path | None, typer.Option("--script", help="Run this script from the start.")] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="DIR", help="Record into this folder.")] = None,
    mode: Annotated[str, typer.Option("--mode", help=_MODES)] = "Track",
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="End after so long.")] = None,
    zlut: Annotated[
        Path | None, typer.Option("--zlut", help="Z-LUT, or none; absent: the last one; simulated beads have theirs.")
    ] = None,
    tracking: Annotated[
        str | None, typer.Option("--tracking", help="linear_bins (unless you chose another) or magtrack.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, this time; see `scope settings`.")
    ] = None,
    focus: Annotated[bool, typer.Option("--simulated-focus", help="Add a simulated focus motor.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
    json: Json = False,
) -> None:
    """Run a scope without a screen, until its time is over, its script has ended or it is stopped.

    Ends with its summary: frames that were tracked and lost, files, and with simulated beads how far off they were.

    Exit code: 0, also after `scope stop` and a stop signal; 1 when it ended before it should or its script failed;
    2 when something cannot be used; 130 after Ctrl+C. Files are closed in any case.
    """
    from opticstream.scope.acquisition import AcquisitionMode
    from opticstream.scope.run_headless import HeadlessRun, run_headless
    from opticstream.scope.tracking import TrackingOptions
    from opticstream.scope.tracking.compile_once import must_compile

    setup_logging(verbose=verbose)
    settings = load_settings()
    if tracking not in (None, "linear_bins", "magtrack"):
        raise BadInput("--tracking", found=tracking, expected="linear_bins or magtrack")
    try:
        acquisition = AcquisitionMode(mode)
    except ValueError:
        raise BadInput("--mode", found=mode, expected=", ".join(AcquisitionMode)) from None
    no_zlut = zlut == Path("none")
    for path in (script, None if no_zlut else zlut, replay):
        if path is not None and not path.exists():
            raise BadFile(str(path), found="no such file", expected="one that can be read")
    wanted = HeadlessRun(
        name=name,
        camera=camera if replay is None else f"replay:{replay}",
        camera_settings=_pairs("--camera-setting", camera_setting),
        beads=beads,
        script=script,
        save=save,
        mode=acquisition,
        seconds=seconds,
        zlut=None if no_zlut else zlut,
        no_zlut=no_zlut,
        tracking=None
        if tracking is None
        else TrackingOptions.of("magtrack" if tracking == "magtrack" else "linear_bins"),
        settings=_pairs("--set", set_),
        simulated_focus=focus,
        verbose=verbose,
        grace_s=settings.scope_grace_s,
        runtime_folder=_folder(),
        kernel_cache=settings.kernels,
        flow_run_id=os.environ.get(FLOW_RUN_ID, ""),
    )
    show = _StatusLine(quiet=json)
    if must_compile(settings.kernels):
        show.say("The tracker is compiled for this computer, once; that takes half a minute…")
    earlier = frozenset() if save is None else frozenset(tracking_files(save))
    try:
        scope, outcome = run_headless(wanted, show)
    finally:
        show.end()
    summary = scope.summary() | _accuracy(save, earlier, float(scope.camera_manager.camera.nm_per_px))
    if json:
        print_json(summary)
    else:
        _print_summary(summary)
    if not outcome.succeeded:
        raise typer.Exit(1)
    if outcome.reason == "interrupted":
        raise typer.Exit(130)


class _StatusLine:
    """One line that tells how the scope is, on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._shown = not quiet and err.is_terminal

    def __call__(self, scope: "MagScope") -> None:
        if self._shown:
            self.say(_status_line(scope.status()))

    def say(self, line: str) -> None:
        if self._shown:
            err.print(line.ljust(100), end="\r", markup=False, highlight=False)

    def end(self) -> None:
        if self._shown:
            err.print(" " * 100, end="\r")


def _status_line(now: dict[str, Any]) -> str:
    if not now["frames"] and not now["tracking_ready"]:
        return "The tracker is loaded…"
    return (
        f"{now['up_s']:.0f} s  {now['frames']} frames  {now['frames_tracked']} tracked  "
        f"{now['frames_dropped']} dropped  {now['beads']} beads  buffer {now['buffer_level']:.0%}"
    )


def _accuracy(save: Path | None, earlier: frozenset[Path], nm_per_px: float) -> dict[str, Any]:
    """Return the files that were written, apart from earlier ones, and what comparing them with the truth gives."""
    from opticstream.scope.truth_errors import truth_errors

    if save is None:
        return {}
    files = [path for path in tracking_files(save) if path not in earlier]
    found: dict[str, Any] = {"files": [str(path) for path in files]}
    if files and (save / TRUTH_NAME).exists():
        found["accuracy"] = truth_errors(files[-1], save / TRUTH_NAME, nm_per_px).summary()
    return found


def _print_summary(summary: dict[str, Any]) -> None:
    print_line(f"The scope ended: {summary.get('reason', 'unknown')}")
    _print_counts(summary)
    for path in summary.get("files", ()):
        print_line(path)
    if summary.get("files") == [] and summary.get("acquisition", {}).get("mode", "").startswith("Track"):
        print_line("no tracking file: in no stack of frames that was tracked there was a bead")
    if accuracy := summary.get("accuracy"):
        print_line(
            "against the truth, median: "
            f"x {accuracy['median_abs_x_px']:.3f} px, y {accuracy['median_abs_y_px']:.3f} px, "
            f"z {accuracy['median_abs_z_nm']:.1f} nm ({accuracy['records']} records)"
        )
    _print_problems(summary)


def _print_counts(summary: dict[str, Any]) -> None:
    outcomes = {name: summary.get(f"frames_{name}", 0) for name in ("tracked", "dropped", "purged", "skipped")}
    outcomes["not processed"] = max(0, summary.get("frames", 0) - sum(outcomes.values()))
    counts = ", ".join(f"{count} {name}" for name, count in outcomes.items())
    print_line(f"{summary.get('frames', 0)} frames: {counts}; {summary.get('beads', 0)} beads")
    if lost := summary.get("frames_not_stored"):
        print_line(f"{lost} of the tracked frames are in no file")


def _print_problems(summary: dict[str, Any]) -> None:
    """Print a line for each kind; a dead process's traceback ends with what went wrong, and is in the log."""
    lines: Counter[str] = Counter()
    for problem in summary.get("problems", ()):
        last = (problem["details"].strip().splitlines() or [""])[-1]
        lines[f"{problem['text']}: {last}".removesuffix(": ")] += 1
    for line, number in lines.items():
        print_line(line if number == 1 else f"{line} ({number} times)", to=err)


@app.command()
def commands(
    scripts: Annotated[bool, typer.Option("--scripts", help="Only those that scripts may give.")] = False,
) -> None:
    """List the commands between a scope's processes, and who answers them."""
    from opticstream.scope import MagScope

    scope = MagScope(name="commands")
    if scripts:
        scope.print_registered_script_commands()
    else:
        scope.print_registered_commands()


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The scope's name; absent: list all.")] = None,
    json: Json = False,
) -> None:
    """Show how a running scope is, or which scopes run on this computer."""
    from opticstream.scope.leftovers import remove_all_leftovers
    from opticstream.scope.remote import ScopeClient, running_scopes

    for folder in remove_all_leftovers():
        print_line(f"removed what a scope left that was killed: {folder}", to=err)
    if name is None:
        names = running_scopes(_folder())
        if json:
            print_json({"scopes": names})
        else:
            print_line("\n".join(names) or "no scope runs")
        return
    with ScopeClient(name, _folder()) as scope:
        found = scope.status()
    if json:
        print_json(found)
        return
    print_line(f"{name} {'runs' if found['up'] else 'starts'} since {found['up_s']:.0f} s, process {found['pid']}")
    _print_counts(found)
    acquisition = found["acquisition"]
    print_line(
        f"records {acquisition['mode']} into {acquisition['dir']}" if acquisition["saving"] else "records nothing"
    )
    if script := found["values"].get("script"):
        print_line(f"script: {script['status']}")
    for process, state in found["processes"].items():
        silent = f", not heard of for {state['silent_s']:.0f} s" if state["silent_s"] else ""
        print_line(f"  {process}: process {state['pid']}{'' if state['alive'] else ', ended'}{silent}")
    _print_problems(found)


@app.command()
def stop(name: Name) -> None:
    """Ask a running scope to end; it closes its files and ends, within two seconds unless there is more to save."""
    from opticstream.scope.remote import ScopeClient

    with ScopeClient(name, _folder()) as scope:
        scope.stop()


@app.command()
def send(
    name: Name,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="Its name, see `scope commands`.")],
    field: Annotated[list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Values are JSON.")] = None,
) -> None:
    """Send a command to a running scope, as `scope send NAME SetXYLockOn value=true`.

    It is waited for: what its process tells of meanwhile is printed, and the exit code is 1 then.
    """
    from opticstream.scope.remote import ScopeClient

    fields = {key: _value(value) for key, value in _pairs("FIELD=VALUE", field).items()}
    with ScopeClient(name, _folder()) as scope:
        problems = scope.send(command, **fields)
    if problems:
        _print_problems({"problems": problems})
        raise typer.Exit(1)


@app.command()
def repair(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A tracking file that was left open by a kill.")],
    json: Json = False,
) -> None:
    """Mend a tracking file whose scope was killed; a healthy one is left as it is."""
    from opticstream.scope.files import repair_tracking_file

    if not path.exists() and not path.with_name(f"{path.name}.damaged").exists():
        raise BadFile(str(path), found="no such file", expected="a tracking file")
    if path.is_dir():
        raise BadFile(str(path), found="a folder", expected="a tracking file")
    report = repair_tracking_file(path)
    if json:
        print_json(asdict(report))
        return
    counts = f"{report.frames} frames with {report.records} records in {report.batches} whole batches"
    print_line(f"{path}: {'healthy, not touched' if report.healthy else 'mended'}; {counts}")
    for what in report.what:
        print_line(f"  {what}")


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise BadInput(option, found=one, expected="NAME=VALUE")
        pairs[name] = value
    return pairs


def _value(text: str) -> Any:
    try:
        return json_module.loads(text)
    except ValueError:
        return text
