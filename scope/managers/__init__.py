"""The processes of a scope."""
