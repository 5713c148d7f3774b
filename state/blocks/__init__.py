"""Prefect block types: thin handles on the state store and the configurations."""
