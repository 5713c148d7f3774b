"""``opticstream launch serve``: this rig's sessions are launched from the Prefect UI."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from opticstream.core.settings import Settings
from opticstream.core.text import slug
from opticstream.deployments.api import ensure_api, use_api
from opticstream.deployments.serving import patiently, run_for_ever
from opticstream.deployments.session_care import session_care
from opticstream.state.database import default_state_url

if TYPE_CHECKING:
    from opticstream.deployments.runner import UntilSignal

_QUERY_S = 0.5


def serve_launch(settings: Settings, rig: str, rig_config: Path | None, say: Callable[[str], None]) -> None:
    """Serve the flow ``launch`` for one rig until a signal; one session at a time, a session in hand is ended first.

    Args:
        settings: of this process.
        rig: names the deployment.
        rig_config: the rig's TOML file for every session; None: the usual place.
        say: is told in one line what is served.

    Raises:
        ServerUnavailable: there is no API to serve.
    """
    use_api(settings, ensure_api(settings, say))
    from prefect.deployments.runner import RunnerDeployment
    from prefect.types.entrypoint import EntrypointType

    from opticstream.deployments.runner import UntilSignal
    from opticstream.flows.launch import launch
    from opticstream.flows.scope_session import scope_session

    def applied() -> "UntilSignal":
        runner = UntilSignal(name=f"opticstream-launch-{rig}", query_seconds=_QUERY_S, limit=1, pause_on_shutdown=False)
        for served, what in ((launch, "Launches a session"), (scope_session, "Runs a live microscope as a session")):
            deployment = served.to_deployment(
                slug(rig),
                parameters={"rig_config": str(rig_config.absolute())} if rig_config else {},
                description=f"{what} on rig {rig}.",
                tags=["opticstream", served.name, rig],
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
            assert isinstance(deployment, RunnerDeployment)  # noqa: S101 (no event loop runs here: it is no coroutine)
            runner.add_deployment(deployment)
        _save_block(settings, rig)
        return runner

    with contextlib.suppress(KeyboardInterrupt), UntilSignal.on_interrupt(), session_care(settings):
        runner = patiently(applied)
        say(f"Serving sessions on rig {rig}: deployment launch/{slug(rig)}; Ctrl+C ends it.")
        run_for_ever(runner, applied)


def _save_block(settings: Settings, rig: str) -> None:
    """Let launches on other hosts take up this rig's session state."""
    from opticstream.state.blocks.session_state import SessionState

    url = settings.state_url.get_secret_value() if settings.state_url else default_state_url(settings.home)
    block = SessionState.model_validate({"rig": rig, "store_url": url})
    block.save(SessionState.document_name(rig), overwrite=True)
