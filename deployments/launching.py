"""Launches a session as a flow run where a Prefect API is to be had, and without one otherwise."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from opticstream.core.errors import OpticstreamError
from opticstream.core.settings import Settings
from opticstream.deployments.api import ensure_api, use_api
from opticstream.rig.launcher import LaunchRequest, SessionReport
from opticstream.rig.launcher.run import run_plainly

log = logging.getLogger(__name__)

_REQUEST_S = 3.0
_RETRIES = 1
"""Of a request to an API that went away: the experiment is over by then, and people wait for the prompt."""


def launch_recorded(request: LaunchRequest, say: Callable[[str], None] = log.info) -> SessionReport:
    """Launch a session in this process, as a run of the flow ``launch``.

    When no API can be had the session runs unrecorded, with a warning; when it goes away meanwhile, the session ends
    as it would have, and its flow run is brought up to it later (`tell_sessions`).

    Args:
        request: what.
        say: is told in one line what was started for it.
    """
    url = _api(request.settings, say)
    if url is None:
        return run_plainly(request)
    use_api(request.settings, url)
    from prefect.logging.handlers import APILogWorker

    from opticstream.deployments.session_care import session_care
    from opticstream.flows.launch import launch, launching, shown_parameters

    APILogWorker.instance()  # sends in the background, where a busy API may take its time: begun before we are impatient
    with session_care(request.settings), launching(request) as reports, _impatient():
        try:
            launch(**shown_parameters(request), return_state=True)
        except Exception as error:  # of Prefect's: what the session itself raises is in its report
            if reports:
                log.warning("Prefect was not told how the session ended (%s); it is told when it is there again", error)
            else:
                log.warning("Prefect takes no run (%s); the session runs unrecorded", error)
    return reports[0] if reports else run_plainly(request)


def _api(settings: Settings, say: Callable[[str], None]) -> str | None:
    try:
        return ensure_api(settings, say)
    except OpticstreamError as error:
        log.warning("%s The session runs unrecorded.", error)
        return None


def _impatient() -> AbstractContextManager[object]:
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    # The heartbeat's thread adds a second to every synchronous run; our own row says already that we live.
    return temporary_settings(
        {
            PREFECT_API_REQUEST_TIMEOUT: _REQUEST_S,
            PREFECT_CLIENT_MAX_RETRIES: _RETRIES,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
    )
