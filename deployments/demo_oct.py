"""The demo's PS-OCT: a simulated microscope writes tiles over time, a served deployment processes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from opticstream.core.background import in_background
from opticstream.core.scan_config import OCTAcquisition, PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.deployments.demo_stage import PROJECT, DemoPart, Either, Follow, fresh_folder, served
from opticstream.deployments.relay import Relay
from opticstream.deployments.relay_api import RelayApi
from opticstream.flows.direct_runner import WatchProgress
from opticstream.flows.oct_watch import OCTWatchOptions, watch_oct
from opticstream.state import OCT_TREE, ProjectState, open_database, setup_project
from opticstream.state.report import leaf_views
from opticstream.state.report import report as state_report
from opticstream.tasks.pipelines import OCT
from opticstream.watch import StopSignal

MOSAICS, BATCHES, TILES = 2, 2, 3


def run_oct_demo(
    settings: Settings, output: Path, progress: WatchProgress, say: Callable[[str], None], stop: StopSignal
) -> DemoPart:
    """Run the OCT part of the demo in its home.

    Args:
        settings: of the demo's home, whose server runs.
        output: folder that receives tiles and products, emptied first.
        progress: shows what the watcher does.
        say: tells the operator a line.
        stop: ends the part early.
    """
    tiles, products = fresh_folder(output, "tiles"), fresh_folder(output, "products")
    config = _config(products)
    with open_database(settings) as database:
        setup_project(database, OCT_TREE, PROJECT, config)
        OCT.save_blocks(settings, config)
        say(f"A simulated microscope writes {MOSAICS * BATCHES * TILES} tiles to {tiles}")
        state = ProjectState(database, OCT_TREE, PROJECT)
        follow = Follow(partial(leaf_views, state), progress, MOSAICS * BATCHES, lambda _: TILES)
        either = Either(stop, follow.done)
        options = OCTWatchOptions(ranges=f"1:{MOSAICS}", stability_seconds=1.0, poll_interval_s=0.5, direct=False)
        with (
            served("oct", output / "serve.log", 2, follow.done) as runs_ended,
            _microscope(tiles),
            in_background("follow", follow.run),
        ):
            with RelayApi(settings) as relay_api, Relay(database, relay_api) as relay:
                watch_oct(
                    database, config, tiles, options, api=None, progress=progress, stop=either, announced=relay.wake
                )
                runs_ended(stop)
        return DemoPart(
            "PS-OCT",
            "batches",
            products=sorted(products.rglob("*.nii")),
            pictures=sorted(products.rglob("*.png")),
            seconds=follow.seconds,
            failed=MOSAICS * BATCHES - follow.completed,
            state=state_report(state),
        )


def _config(products: Path) -> PSOCTScanConfig:
    acquisition = OCTAcquisition(
        grid_size_x_normal=BATCHES, grid_size_x_tilted=BATCHES, grid_size_y=TILES, tile_saving_type="complex"
    )
    return PSOCTScanConfig(project_name=PROJECT, project_base_path=products.absolute(), acquisition=acquisition)


@contextmanager
def _microscope(folder: Path) -> Iterator[None]:
    """Write tiles from a thread while the body runs, in pieces, as a microscope does."""
    from opticstream.imaging.oct_simulator import SimulationSpec, simulate_oct

    spec = SimulationSpec(
        mosaics=MOSAICS,
        batches=BATCHES,
        tiles_per_batch=TILES,
        shape=(96, 96, 160),
        interval_s=0.3,
        slow_write=True,
    )
    with in_background("microscope", lambda ended: simulate_oct(folder, spec, stop=ended)):
        yield
