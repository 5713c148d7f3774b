"""A session that goes on with what an earlier one saved."""

from pathlib import Path

from opticstream.core.errors import BadFile, BadInput, OpticstreamError
from opticstream.core.settings import Settings
from opticstream.rig.launcher.closing import CHECKPOINT
from opticstream.rig.session_folder import METADATA
from opticstream.rig.session_state import SessionStateMixin


def resume(launcher: SessionStateMixin, earlier: str | Path, settings: Settings, rig: str) -> str:
    """Restore what an earlier session saved; return which it was.

    A folder's ``session_state.json`` is taken, else the checkpoint that a session leaves which did not end well; a
    name that is no folder is looked for in the state store, where sessions of all hosts are; of rigs that share the
    name, that of ``rig`` is taken before the others.

    Raises:
        BadFile: the folder has no state of this launcher.
        BadInput: there is neither a folder nor a session of that name.
    """
    folder = Path(earlier).expanduser().absolute()
    if folder.is_dir():
        if launcher.load_session_state(folder) or launcher.load_session_state(folder / METADATA, file_name=CHECKPOINT):
            return str(folder)
        raise BadFile(
            str(folder),
            found=f"no saved state of {type(launcher).__name__}",
            expected="the folder of a session of this launcher",
        )
    from opticstream.state import open_database  # SQLAlchemy: more than all else of a launch
    from opticstream.state.session_states import peek_state

    try:
        with open_database(settings) as database:
            name = str(earlier)
            saved = peek_state(database, session=name, rig=rig) or peek_state(database, session=name)
    except OpticstreamError as error:
        raise BadInput("--resume", found=f"{earlier}: no folder, and {error}", expected="a session's folder") from None
    if saved is None or not launcher.import_session_state(saved.document):
        raise BadInput(
            "--resume",
            found=f"{earlier}, "
            + ("a session of another launcher" if saved else "neither a folder nor a session's name"),
            expected="the folder or the name of a session that ended well",
        )
    return saved.folder or saved.session
