"""Finding beads in a frame. Importing this does not import scipy."""

from opticstream.scope.selection.find_beads import FoundBead, find_beads
from opticstream.scope.selection.seed_match import SeedMatches, default_threshold, match_seed

__all__ = ["FoundBead", "SeedMatches", "default_threshold", "find_beads", "match_seed"]
