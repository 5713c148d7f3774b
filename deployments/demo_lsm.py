"""The demo's light sheet: a simulated camera spools strips, they become OME-Zarr, projections, archive and a channel."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from opticstream.core.background import in_background
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.settings import Settings
from opticstream.deployments.demo_stage import (
    PROJECT,
    DemoPart,
    Either,
    Follow,
    fresh_folder,
    parent_and_leaf_views,
    served,
)
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.flows.direct_runner import WatchProgress
from opticstream.flows.lsm_watch import LSMWatchOptions, watch_lsm
from opticstream.state import LSM_TREE, ProjectState, open_database, setup_project
from opticstream.state.report import report as state_report
from opticstream.tasks.pipelines import LSM
from opticstream.watch import StopSignal

STRIPS = 2
_OVERLAP_PERCENT = 20.0
_VOXEL_SIZE_UM = (1.2, 0.6, 0.6)


def run_lsm_demo(
    settings: Settings, output: Path, progress: WatchProgress, say: Callable[[str], None], stop: StopSignal
) -> DemoPart:
    """Run the light-sheet part of the demo in its home.

    Args:
        settings: of the demo's home, whose server runs.
        output: folder that receives raw data, products and archive, emptied first.
        progress: shows what the watcher does.
        say: tells the operator a line.
        stop: ends the part early.
    """
    raw, products, archive = (fresh_folder(output, name) for name in ("raw", "products", "archive"))
    config = LSMScanConfig(
        project_name=PROJECT,
        project_base_path=products,
        archive_path=archive,
        strips_per_slice=STRIPS,
        strip_overlap=_OVERLAP_PERCENT,
        voxel_size_um=_VOXEL_SIZE_UM,
        output_mip_preview_window=None,
        stitch_volume=True,
    )
    with open_database(settings) as database:
        setup_project(database, LSM_TREE, PROJECT, config)
        LSM.save_blocks(settings, config)
        say(f"A simulated light sheet spools {STRIPS} strips to {raw}")
        state = ProjectState(database, LSM_TREE, PROJECT)
        follow = Follow(partial(parent_and_leaf_views, state, "channel"), progress, STRIPS + 1)
        either = Either(stop, follow.done)
        options = LSMWatchOptions(stability_seconds=1.0, poll_interval_s=0.5)
        with (
            served("lsm", output / "serve.log", 1, follow.done) as runs_ended,
            _microscope(raw),
            in_background("follow", follow.run),
        ):
            with RelayApi(settings) as relay_api, Relay(database, relay_api) as relay:
                watch_lsm(
                    database, config, raw, options, api=None, progress=progress, stop=either, announced=relay.wake
                )
                runs_ended(stop)
        zarrs = sorted(products.glob("*.ome.zarr"))
        return DemoPart(
            "Light sheet",
            "strips and channels",
            products=[*zarrs, *sorted(products.glob("*.tiff")), *sorted(archive.glob("*/*/*/strip-*"))],
            pictures=sorted(products.glob("*.png")),
            seconds=follow.seconds,
            failed=STRIPS + 1 - follow.completed,
            kind_of=_kind,
            size_of=_size,
            state=state_report(state),
        )


@contextmanager
def _microscope(folder: Path) -> Iterator[None]:
    """Spool strips from a thread while the body runs, in pieces, as a camera does."""
    from opticstream.imaging.lsm_simulation_spec import LSMSimulationSpec
    from opticstream.imaging.lsm_simulator import simulate_lsm

    spec = LSMSimulationSpec(
        strips=STRIPS,
        rows=96,
        columns=384,
        frames=640,
        frames_per_file=64,
        overlap_percent=_OVERLAP_PERCENT,
        jitter=3,
        interval_s=0.5,
        slow_write=True,
    )
    with in_background("light sheet", lambda ended: simulate_lsm(folder, spec, stop=ended)):
        yield


def _kind(path: Path) -> str:
    if path.name.startswith("strip-"):
        return "archive"
    return "volume" if "proc-volume" in path.name else "OME-Zarr" if path.is_dir() else "projection"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
