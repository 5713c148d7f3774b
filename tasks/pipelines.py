"""The pipelines a project can be of: their trees, configurations, blocks and jobs; one implementation serves both."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opticstream.core.errors import BadInput
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import Settings, load_settings
from opticstream.state import LSM_TREE, OCT_TREE, Database, ProjectState, Tree, open_database, setup_project
from opticstream.state.database import default_state_url
from opticstream.state.job import Job
from opticstream.tasks.jobs import BATCHES, lsm_jobs

if TYPE_CHECKING:
    from opticstream.state.blocks.project_state import ProjectStateBlock

log = logging.getLogger(__name__)

C = TypeVar("C", PSOCTScanConfig, LSMScanConfig)


@dataclass(frozen=True)
class Pipeline(Generic[C]):
    """One pipeline."""

    tree: Tree
    config: type[C]
    jobs: Callable[[C], tuple[Job, ...]]
    blocks: "Callable[[], tuple[type[Any], type[ProjectStateBlock]]]"
    """Returns the types of its configuration and state blocks; importing them imports Prefect."""

    @contextmanager
    def open_project(self, project: str) -> Iterator[tuple[ProjectState, C]]:
        """Open a project's state and read its configuration, both from the store.

        Raises:
            ProjectNotFound: it has not been set up.
        """
        with open_database(load_settings()) as database:
            state = ProjectState(database, self.tree, project)
            yield state, self.config_of(state)

    def config_of(self, state: ProjectState) -> C:
        """Return a project's configuration from its row."""
        return self.config.model_validate(state.peek_project().config)

    def save_blocks(self, settings: Settings, config: C) -> list[str]:
        """Save the project's configuration and state blocks; return their document names."""
        from opticstream.state.blocks.notifier import Notifier

        config_block, state_block = self.blocks()
        project = config.project_name
        url = settings.state_url.get_secret_value() if settings.state_url else default_state_url(settings.home)
        names = [config_block.document_name(project), state_block.document_name(project)]
        config_block.model_validate(config.model_dump()).save(names[0], overwrite=True)
        state_block.model_validate({"project": project, "store_url": url}).save(names[1], overwrite=True)
        Notifier.register_type_and_schema()  # so that the UI offers it; nobody needs one
        return names

    def load_config(self, database: Database, project: str, *, block: bool) -> C:
        """Return the project's configuration, once, at the start of a command.

        Args:
            database: the open store.
            project: project name.
            block: whether the Prefect API can be asked; its block wins, being what people edit in the UI.

        Raises:
            ProjectNotFound: the project has not been set up.
        """
        row = self.config_of(ProjectState(database, self.tree, project))
        if not block:
            return row
        kind, _ = self.blocks()
        name = kind.document_name(project)
        try:
            config: C = kind.load(name).fields()
        except Exception as error:  # whatever the API answers, the row is as good
            log.warning("block %s is out of reach (%s); using the configuration of the last setup", name, error)
            return row
        if config != row:
            log.info("block %s was edited since setup; the project follows it", name)
            setup_project(database, self.tree, project, config)
        return config


def _oct_blocks() -> "tuple[type[Any], type[ProjectStateBlock]]":
    from opticstream.state.blocks import oct as blocks

    return blocks.PSOCTScanConfig, blocks.OCTProjectState


def _lsm_blocks() -> "tuple[type[Any], type[ProjectStateBlock]]":
    from opticstream.state.blocks import lsm as blocks

    return blocks.LSMScanConfig, blocks.LSMProjectState


OCT = Pipeline(OCT_TREE, PSOCTScanConfig, lambda _: (BATCHES,), _oct_blocks)
LSM = Pipeline(LSM_TREE, LSMScanConfig, lsm_jobs, _lsm_blocks)
PIPELINES: dict[str, Pipeline[Any]] = {"oct": OCT, "lsm": LSM}


def pipeline_named(name: str) -> Pipeline[Any]:
    """Return a pipeline by its name.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in PIPELINES:
        raise BadInput("pipeline", found=repr(name), expected=", ".join(PIPELINES))
    return PIPELINES[name]
