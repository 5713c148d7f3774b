"""What runs an acquisition: child processes, Bonsai, MATLAB or Octave, and what watches over them."""

from opticstream.rig.engine.acquisition_record import AcquisitionRecord, record_file
from opticstream.rig.engine.bonsai_command import bonsai_command
from opticstream.rig.engine.bonsai_packages import PackageMismatch, check_bonsai_packages, ensure_bonsai
from opticstream.rig.engine.command import Command
from opticstream.rig.engine.judgement import FailureRules
from opticstream.rig.engine.matlab import MatlabEngine, load_matlab_engine
from opticstream.rig.engine.matlab_call import MatlabCall
from opticstream.rig.engine.matlab_connection import MatlabConnection
from opticstream.rig.engine.octave import OctaveEngine
from opticstream.rig.engine.orphan import Orphan, end_orphan, find_orphan, find_orphans
from opticstream.rig.engine.process_engine import ProcessEngine
from opticstream.rig.engine.process_tree import ProcessTree
from opticstream.rig.engine.protocol import Engine, LineCallback, RunningEngine, StreamName
from opticstream.rig.engine.python_command import python_command
from opticstream.rig.engine.result import EngineResult, Outcome
from opticstream.rig.engine.retrying_engine import Decide, Decision, RetryingEngine, RetryPolicy
from opticstream.rig.engine.running_process import RunningProcess
from opticstream.rig.engine.watchdogs import Watchdogs

__all__ = [
    "AcquisitionRecord",
    "Command",
    "Decide",
    "Decision",
    "Engine",
    "EngineResult",
    "FailureRules",
    "LineCallback",
    "MatlabCall",
    "MatlabConnection",
    "MatlabEngine",
    "OctaveEngine",
    "Orphan",
    "Outcome",
    "PackageMismatch",
    "ProcessEngine",
    "ProcessTree",
    "RetryPolicy",
    "RetryingEngine",
    "RunningEngine",
    "RunningProcess",
    "StreamName",
    "Watchdogs",
    "bonsai_command",
    "check_bonsai_packages",
    "end_orphan",
    "ensure_bonsai",
    "find_orphan",
    "find_orphans",
    "load_matlab_engine",
    "python_command",
    "record_file",
]
