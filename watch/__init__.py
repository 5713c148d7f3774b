"""The acquisition watchers: discover, stable, readable, identify, gate, dispatch. No Prefect."""
