"""Project state: one row per unit, claims with tokens, an outbox; SQLite by default, PostgreSQL by URL."""

from opticstream.state.claims import Claim
from opticstream.state.database import Database, open_database
from opticstream.state.lsm_tree import LSM_TREE
from opticstream.state.oct_tree import OCT_TREE
from opticstream.state.store import ProjectState, setup_project
from opticstream.state.tree import Tree
from opticstream.state.views import Milestones, ProjectView, UnitView

__all__ = [
    "LSM_TREE",
    "OCT_TREE",
    "Claim",
    "Database",
    "Milestones",
    "ProjectState",
    "ProjectView",
    "Tree",
    "UnitView",
    "open_database",
    "setup_project",
]
