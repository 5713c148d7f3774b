"""PS-OCT: complex tiles to volumes and enface maps."""
