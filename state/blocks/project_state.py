"""The Blocks behind every pipeline's: a configuration, and a state with peek, read and open per level."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, TypeVar

from prefect.blocks.core import Block
from pydantic import Field, PrivateAttr, SecretStr

from opticstream.core.identifiers import UnitId
from opticstream.core.settings import load_settings
from opticstream.core.text import slug
from opticstream.state.database import open_database
from opticstream.state.handle import UnitHandle
from opticstream.state.store import ProjectState
from opticstream.state.tree import Tree
from opticstream.state.views import ProjectView, UnitView

I = TypeVar("I", bound=UnitId)  # noqa: E741 (an identifier's type)
B = TypeVar("B", bound="ProjectStateBlock")


class ConfigDocument:
    """What a configuration's Block has beside its model's fields: people edit its document in the Prefect UI."""

    _fields: ClassVar[type[Any]]
    _suffix: ClassVar[str]

    def fields(self) -> Any:
        """Return the configuration, an instance of the core model, without the block around it."""
        model = self._fields
        return model.model_validate({name: getattr(self, name) for name in model.model_fields})

    @classmethod
    def document_name(cls, project: str) -> str:
        """Return the name under which a project's configuration is saved."""
        return f"{slug(project)}-{cls._suffix}"


class ProjectStateBlock(Block):
    """Handle on one project's state. A block document is configuration; the data are rows in the store."""

    _tree: ClassVar[Tree]

    @classmethod
    def document_name(cls, project: str) -> str:
        """Return the name under which a project's state block is saved."""
        return f"{slug(project)}-{cls._tree.pipeline}-state"

    project: str = Field(description="Project name.")
    store_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the state store; empty: this installation's own."
    )
    _state: ProjectState | None = PrivateAttr(None)

    def state(self) -> ProjectState:
        """Return the open project state behind this block.

        Raises:
            ProjectNotFound: the project has not been set up in that store.
        """
        if self._state is None:
            url = self.store_url.get_secret_value() if self.store_url else None
            self._state = ProjectState(open_database(load_settings(), url), self._tree, self.project)
        return self._state

    def close(self) -> None:
        """Close the store's connections; the block can be used again."""
        if self._state is not None:
            self._state.database.close()
            self._state = None

    def peek_project(self) -> ProjectView:
        """Return the project's row."""
        return self.state().peek_project()

    def read_project(self) -> ProjectView:
        """Return the project's row and its units counted by level and status."""
        return self.state().read_project()


def peeks(level: type[I]) -> Callable[[B, I], UnitView | None]:
    """Make a block's ``peek_*`` method for one level."""

    def peek(self: B, ident: I) -> UnitView | None:
        return self.state().peek(ident)

    peek.__doc__ = f"Return a {level.level} as it is, None when it has no row; takes no lock."
    return peek


def reads(level: type[I]) -> Callable[[B, I], UnitView | None]:
    """Make a block's ``read_*`` method for one level."""

    def read(self: B, ident: I) -> UnitView | None:
        return self.state().read(ident)

    read.__doc__ = f"Return a {level.level} with its children counted, all of one moment; None when it has no row."
    return read


def opens(level: type[I]) -> Callable[[B, I], AbstractContextManager[UnitHandle]]:
    """Make a block's ``open_*`` method for one level."""

    def open_(self: B, ident: I) -> AbstractContextManager[UnitHandle]:
        return self.state().open(ident)

    open_.__doc__ = f"Lock a {level.level}, yield it mutable, commit on exit; created when absent."
    return open_
