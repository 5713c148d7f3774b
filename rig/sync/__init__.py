"""Session sync: rigs agree on a session's name before anything is written. The wire is the old launcher's."""

from opticstream.rig.sync.effects import Connect, Drop, Effect, Finish, Outcome, Send
from opticstream.rig.sync.master import MasterMachine
from opticstream.rig.sync.result import BarrierFailed, SyncResult
from opticstream.rig.sync.roster import Node, NodeStatus, Refusal, Roster
from opticstream.rig.sync.roster_feed import OnRoster
from opticstream.rig.sync.run_master import master_barrier, run_master
from opticstream.rig.sync.run_slave import run_slave, slave_barrier
from opticstream.rig.sync.session_name import clean_session_name, is_clean_session_name
from opticstream.rig.sync.settings import SyncSettings, read_sync_settings
from opticstream.rig.sync.shell import Asked
from opticstream.rig.sync.slave import SlaveMachine

__all__ = [
    "Asked",
    "BarrierFailed",
    "Connect",
    "Drop",
    "Effect",
    "Finish",
    "MasterMachine",
    "Node",
    "NodeStatus",
    "OnRoster",
    "Outcome",
    "Refusal",
    "Roster",
    "Send",
    "SlaveMachine",
    "SyncResult",
    "SyncSettings",
    "clean_session_name",
    "is_clean_session_name",
    "master_barrier",
    "read_sync_settings",
    "run_master",
    "run_slave",
    "slave_barrier",
]
