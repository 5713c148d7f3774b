"""The flow ``session_sync``: a barrier between rigs without a session around it, with its roster to look at."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from prefect import flow

from opticstream.rig.sync import BarrierFailed, SyncResult
from opticstream.tasks.session_artifacts import publish, roster_artifacts

Barrier = Callable[[], SyncResult]
_barrier: ContextVar[Barrier | None] = ContextVar("barrier", default=None)


@flow(name="session_sync", flow_run_name="{role} {node_name}", persist_result=False)
def session_sync(role: str, node_name: str) -> dict[str, Any]:
    """Agree on a session's name with other computers.

    Args:
        role: master or slave.
        node_name: label of this computer.
    """
    barrier = _barrier.get()
    assert barrier is not None, f"{role} {node_name}: called by run_barrier only"  # noqa: S101
    try:
        result = barrier()
    except BarrierFailed as failed:
        publish(roster_artifacts(failed.result.as_dict()))
        raise
    publish(roster_artifacts(result.as_dict()))
    return result.as_dict()


def run_barrier(role: str, node_name: str, barrier: Barrier) -> SyncResult:
    """Run a barrier as a flow run, and return or raise what it does; whatever Prefect does meanwhile.

    Args:
        role: master or slave.
        node_name: label of this computer.
        barrier: waits for the others.
    """
    ends: list[SyncResult | BarrierFailed] = []

    def once() -> SyncResult:
        try:
            ends.append(barrier())
        except BarrierFailed as failed:
            ends.append(failed)
            raise
        assert isinstance(ends[0], SyncResult)  # noqa: S101 (the line above)
        return ends[0]

    token = _barrier.set(once)
    try:
        session_sync(role, node_name, return_state=True)
    except Exception:
        if not ends:  # Prefect took no run: the rigs are not kept waiting for it
            return barrier()
    finally:
        _barrier.reset(token)
    if not ends:
        return barrier()
    if isinstance(ends[0], BarrierFailed):
        raise ends[0]
    return ends[0]
