"""The demo: one rig after the other in a fresh home with a server of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from opticstream.core.settings import Settings
from opticstream.deployments.api import LocalApi
from opticstream.deployments.demo_lsm import run_lsm_demo
from opticstream.deployments.demo_oct import run_oct_demo
from opticstream.deployments.demo_scope import run_scope_demo
from opticstream.deployments.demo_session import run_session_demo
from opticstream.deployments.demo_stage import DemoPart
from opticstream.flows.direct_runner import WatchProgress
from opticstream.watch import StopSignal


@dataclass
class DemoResult:
    """What the demo made."""

    ui_url: str
    parts: list[DemoPart] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every unit of every part was completed, and something was made of it."""
        return all(not part.failed and part.products for part in self.parts)


def run_demo(
    settings: Settings,
    output: Path,
    progress: WatchProgress,
    say: Callable[[str], None],
    stop: StopSignal,
    *,
    all_rigs: bool = False,
) -> DemoResult:
    """Run the main job, PS-OCT, or every rig in turn.

    Args:
        settings: of the fresh home.
        output: folder that receives everything, each part in a folder of its own after the first.
        progress: shows what the watchers do.
        say: tells the operator a line.
        stop: ends the demo early.
        all_rigs: also the others.
    """
    output.mkdir(parents=True, exist_ok=True)
    api = LocalApi(settings, say)
    api.ensure()
    result = DemoResult((api.url or "").removesuffix("/api"))
    result.parts.append(run_oct_demo(settings, output, progress, say, stop))
    if all_rigs and not stop.is_set():
        (output / "light-sheet").mkdir(exist_ok=True)
        result.parts.append(run_lsm_demo(settings, output / "light-sheet", progress, say, stop))
    if all_rigs and not stop.is_set():
        (output / "launch").mkdir(exist_ok=True)
        result.parts.append(run_session_demo(output / "launch", say, stop))
    if all_rigs and not stop.is_set():
        (output / "scope").mkdir(exist_ok=True)
        result.parts.append(run_scope_demo(output / "scope", say, stop))
    return result
