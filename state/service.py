"""State by identifier alone, for scripts: ``LSM_STATE_SERVICE.peek_strip(ident)``. Nothing is opened at import."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from opticstream.core.identifiers import BatchId, MosaicId, OCTSliceId, UnitId
from opticstream.core.lsm_identifiers import ChannelId, LSMSliceId, StripId
from opticstream.core.settings import Settings, load_settings
from opticstream.state.database import Database, open_database
from opticstream.state.handle import UnitHandle
from opticstream.state.lsm_tree import LSM_TREE
from opticstream.state.oct_tree import OCT_TREE
from opticstream.state.store import ProjectState
from opticstream.state.tree import Tree
from opticstream.state.views import UnitView

I = TypeVar("I", bound=UnitId)  # noqa: E741 (an identifier's type)


class StateService:
    """The states of a pipeline's projects in this installation's store, which is opened when it is first asked.

    Args:
        tree: the pipeline's.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._open: tuple[Settings, Database] | None = None

    def project(self, name: str) -> ProjectState:
        """Return a project's state.

        Raises:
            ProjectNotFound: it has not been set up.
        """
        settings = load_settings()
        with self._lock:
            if self._open is None or self._open[0] != settings:
                self._close()
                self._open = settings, open_database(settings)
            database = self._open[1]
        return ProjectState(database, self._tree, name)

    def close(self) -> None:
        """Close the store's connections; the service can be used again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _peeks(level: type[I]) -> Callable[[StateService, I], UnitView | None]:
    def peek(self: StateService, ident: I) -> UnitView | None:
        return self.project(ident.project).peek(ident)

    peek.__doc__ = f"Return a {level.level} as it is, None when it has no row; takes no lock."
    return peek


def _reads(level: type[I]) -> Callable[[StateService, I], UnitView | None]:
    def read(self: StateService, ident: I) -> UnitView | None:
        return self.project(ident.project).read(ident)

    read.__doc__ = f"Return a {level.level} with its children counted, all of one moment; None when it has no row."
    return read


def _opens(level: type[I]) -> Callable[[StateService, I], AbstractContextManager[UnitHandle]]:
    def open_(self: StateService, ident: I) -> AbstractContextManager[UnitHandle]:
        return self.project(ident.project).open(ident)

    open_.__doc__ = f"Lock a {level.level}, yield it mutable, commit on exit; created when absent."
    return open_


class LSMStateService(StateService):
    """State of light-sheet projects."""

    peek_slice, read_slice, open_slice = _peeks(LSMSliceId), _reads(LSMSliceId), _opens(LSMSliceId)
    peek_channel, read_channel, open_channel = _peeks(ChannelId), _reads(ChannelId), _opens(ChannelId)
    peek_strip, read_strip, open_strip = _peeks(StripId), _reads(StripId), _opens(StripId)


class OCTStateService(StateService):
    """State of PS-OCT projects."""

    peek_slice, read_slice, open_slice = _peeks(OCTSliceId), _reads(OCTSliceId), _opens(OCTSliceId)
    peek_mosaic, read_mosaic, open_mosaic = _peeks(MosaicId), _reads(MosaicId), _opens(MosaicId)
    peek_batch, read_batch, open_batch = _peeks(BatchId), _reads(BatchId), _opens(BatchId)


LSM_STATE_SERVICE = LSMStateService(LSM_TREE)
OCT_STATE_SERVICE = OCTStateService(OCT_TREE)
