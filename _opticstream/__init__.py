"""opticstream: a lab's acquisition, from the press of Start to processed, verified, archived data."""

from importlib.metadata import version

__version__ = version("opticstream")
