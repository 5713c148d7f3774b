"""A project's configuration: saved to its Prefect block and its row, read back from whichever can be reached."""

import logging

from opticstream.core.scan_config import PSOCTScanConfig
from opticstream.core.settings import Settings
from opticstream.state import OCT_TREE, Database, ProjectState, setup_project
from opticstream.state.database import default_state_url

log = logging.getLogger(__name__)


def save_blocks(settings: Settings, config: PSOCTScanConfig) -> list[str]:
    """Save the project's configuration and state blocks; return their document names."""
    from opticstream.state.blocks.oct import OCTProjectState
    from opticstream.state.blocks.oct import PSOCTScanConfig as ConfigBlock

    project = config.project_name
    url = settings.state_url.get_secret_value() if settings.state_url else default_state_url(settings.home)
    names = [ConfigBlock.document_name(project), OCTProjectState.document_name(project)]
    ConfigBlock.model_validate(config.model_dump()).save(names[0], overwrite=True)
    OCTProjectState.model_validate({"project": project, "store_url": url}).save(names[1], overwrite=True)
    return names


def load_config(database: Database, project: str, *, block: bool) -> PSOCTScanConfig:
    """Return the project's configuration, once, at the start of a command.

    Args:
        database: the open store.
        project: project name.
        block: whether the Prefect API can be asked; its block wins, being what people edit in the UI.

    Raises:
        ProjectNotFound: the project has not been set up.
    """
    state = ProjectState(database, OCT_TREE, project)
    row = PSOCTScanConfig.model_validate(state.peek_project().config)
    if not block:
        return row
    from opticstream.state.blocks.oct import PSOCTScanConfig as ConfigBlock

    name = ConfigBlock.document_name(project)
    try:
        block_document = ConfigBlock.load(name)
        assert isinstance(block_document, ConfigBlock)  # noqa: S101 (no event loop runs here, so it is no coroutine)
        config = block_document.fields()
    except Exception as error:  # whatever the API answers, the row is as good
        log.warning("block %s is out of reach (%s); using the configuration of the last setup", name, error)
        return row
    if config != row:
        log.info("block %s was edited since setup; the project follows it", name)
        setup_project(database, OCT_TREE, project, config)
    return config
