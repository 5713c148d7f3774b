"""Run the command line: ``python -m opticstream``."""

from opticstream.cli.main import app

app()
