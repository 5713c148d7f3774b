"""Launching a rig: parameters, rig configuration, the session's folder and what is written about it. No Prefect."""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports
from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.debug_state import DebugState
from opticstream.rig.end_state import EndState, ModuleOutcome
from opticstream.rig.engine_parameters import engine_settings, script_file, watch_limits
from opticstream.rig.load_parameters import load_parameters
from opticstream.rig.loaded import Loaded
from opticstream.rig.metadata_files import MetadataFiles
from opticstream.rig.overrides import parse_assignments
from opticstream.rig.parameters import LaunchParameters
from opticstream.rig.pipeline_entry import PipelineEntry
from opticstream.rig.repository import RepositoryRecord, prepare_repository
from opticstream.rig.rig_config import RigConfig, load_rig_config
from opticstream.rig.session_folder import SessionFolder, create_session_folder, open_session_folder, session_locks
from opticstream.rig.session_log import session_log
from opticstream.rig.session_name import safe_name
from opticstream.rig.session_outcome import SessionOutcome

if TYPE_CHECKING:
    from opticstream.rig.launcher import (
        BaseLauncher,
        BonsaiLauncher,
        MatlabLauncher,
        PythonLauncher,
        ScopeLauncher,
        SessionReport,
    )

__all__ = [
    "BadParameters",
    "BaseLauncher",
    "BonsaiLauncher",
    "DebugState",
    "EndState",
    "LaunchParameters",
    "Loaded",
    "MatlabLauncher",
    "MetadataFiles",
    "ModuleOutcome",
    "PipelineEntry",
    "Problem",
    "PythonLauncher",
    "RepositoryRecord",
    "RigConfig",
    "ScopeLauncher",
    "SessionFolder",
    "SessionOutcome",
    "SessionReport",
    "create_session_folder",
    "engine_settings",
    "load_parameters",
    "load_rig_config",
    "open_session_folder",
    "parse_assignments",
    "prepare_repository",
    "safe_name",
    "script_file",
    "session_locks",
    "session_log",
    "watch_limits",
]

# They need everything else in this room.
__getattr__, __dir__ = lazy_exports(
    __name__,
    dict.fromkeys(
        ("BaseLauncher", "BonsaiLauncher", "MatlabLauncher", "PythonLauncher", "ScopeLauncher", "SessionReport"),
        "opticstream.rig.launcher",
    ),
)
