"""Tells Prefect how a session ended whose flow run did not live to say so."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Failed

from opticstream.core.process_identity import ProcessIdentity, is_alive
from opticstream.rig.session_outcome import SessionOutcome
from opticstream.state import Database
from opticstream.state.sessions import SessionView, mark_told
from opticstream.tasks.flow_run_pause import prompt_client, without_retries

log = logging.getLogger(__name__)
_OWN_WORD = timedelta(seconds=30)
"""A launcher that lives says it itself, for so long."""


def tell_session(database: Database, session: SessionView) -> bool:
    """Set the state of a session's flow run if it is not final, and show what is still to be shown.

    Returns:
        Whether the session is settled; False: its own launcher is still at it.

    Raises:
        Exception: the API refuses, or is away.
    """
    if _still_at_it(database, session):
        return False
    with without_retries(), prompt_client(None) as client:  # people wait for whoever tells, and it is told again
        try:
            run = client.read_flow_run(UUID(session.flow_run_id or ""))
        except ObjectNotFound:  # deleted, or of another server
            mark_told(database, session.id)
            return True
        if run.state is None or not run.state.is_final():
            client.set_flow_run_state(run.id, _state(session), force=True)
            log.info("Prefect is told that session %s ended: %s", session.name, session.status)
        for artifact in session.artifacts:
            _show(client, artifact, run.id)
    mark_told(database, session.id)
    return True


def _still_at_it(database: Database, session: SessionView) -> bool:
    finished = session.finished_at
    if finished is None or datetime.now(UTC) - finished > _OWN_WORD:
        return finished is None
    holder = ProcessIdentity(session.host, session.pid, session.birth)
    return is_alive(holder, database.settings.host_name) is not False


def _show(client: SyncPrefectClient, artifact: dict[str, Any], run_id: UUID) -> None:
    data = json.dumps(artifact["data"]) if artifact["type"] == "table" else artifact["data"]
    if artifact["type"] == "link":
        data = f"[{artifact['description']}]({data})"
    client.create_artifact(
        ArtifactCreate(
            type="table" if artifact["type"] == "table" else "markdown",
            key=artifact["key"],
            description=artifact["description"],
            data=data,
            flow_run_id=run_id,
        )
    )


def _state(session: SessionView) -> "State[None]":
    message = f"{session.name}: {session.status.replace('_', ' ')}" + (f": {session.reason}" if session.reason else "")
    if session.status == SessionOutcome.COMPLETED:
        return Completed(message=message)
    if session.status == SessionOutcome.INTERRUPTED:
        return Cancelled(message=message)
    return Failed(message=message[:2000])
